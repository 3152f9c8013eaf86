// Calls back once a second with the seconds that are left, and once at the end.

export class Countdown {
  #timer;

  start(seconds, tick, end = () => {}) {
    this.stop();
    const until = performance.now() + seconds * 1000;
    const step = () => {
      const left = (until - performance.now()) / 1000;
      if (left <= 0) {
        this.stop();
        end();
      } else {
        tick(left);
      }
    };
    this.#timer = setInterval(step, 1000);
    step();
  }

  stop() {
    clearInterval(this.#timer);
  }
}
