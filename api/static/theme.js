// Telegram's theme colours, as the app that opened the page names them, become CSS variables.

const NAME = /^[a-z_]{1,40}$/;
const COLOUR = /^#[0-9a-f]{6}$/i;

export function applyTheme(theme) {
  for (const [name, colour] of Object.entries(theme ?? {})) {
    if (NAME.test(name) && COLOUR.test(colour)) {
      document.documentElement.style.setProperty(`--tg-theme-${name.replaceAll("_", "-")}`, colour);
    }
  }
}
