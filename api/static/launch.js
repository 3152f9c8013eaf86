// What the page was opened with. It comes in the URL's fragment, which no server sees, leaves the address bar
// at once, and is kept for reloads in sessionStorage, which dies with the tab.

const LAUNCH = "usm.launch";
const TICKET = "usm.ticket";

export function takeLaunch() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  const kept = parsed(tab.get(LAUNCH)) ?? {};
  const launch = { ...kept, ...read(given) };
  if (kept.tenant !== launch.tenant || kept.app !== launch.app) forgetTicket();
  tab.set(LAUNCH, JSON.stringify(launch));
  return launch;
}

// What Telegram signed is good for a few minutes: what it was exchanged for takes its place.
// Without an app every account holder has a session of their own.
export function keepToken(launch, { token, tenant_id: tenant, telegram_user_id: user }) {
  Object.assign(launch, { token, tenant, app: launch.app ?? `tg${user}`, initData: undefined });
  tab.set(LAUNCH, JSON.stringify(launch));
}

function read(given) {
  const launch = {
    tenant: given.get("tenant"),
    app: given.get("app"),
    token: given.get("token"),
    initData: given.get("tgWebAppData"),
    language: given.get("lang") ?? telegramLanguage(given.get("tgWebAppData")),
    platform: given.get("tgWebAppPlatform"),
    theme: parsed(given.get("tgWebAppThemeParams")),
  };
  return Object.fromEntries(Object.entries(launch).filter(([, value]) => value));
}

// A phone cannot scan its own screen.
export function isPhone({ platform }) {
  return /^(ios|android)/.test(platform ?? "") || matchMedia("(pointer: coarse) and (max-width: 600px)").matches;
}

function telegramLanguage(initData) {
  return parsed(new URLSearchParams(initData ?? "").get("user"))?.language_code;
}

function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

// A browser may forbid storage in a frame. Then a reload starts from the app again, and nothing else is lost.
const tab = {
  get: (name) => attempt(() => sessionStorage.getItem(name)),
  set: (name, value) => attempt(() => sessionStorage.setItem(name, value)),
  remove: (name) => attempt(() => sessionStorage.removeItem(name)),
};

function attempt(access) {
  try {
    return access();
  } catch {
    return null;
  }
}

export const keptTicket = () => tab.get(TICKET);
export const keepTicket = (ticket) => tab.set(TICKET, ticket);
export const forgetTicket = () => tab.remove(TICKET);
