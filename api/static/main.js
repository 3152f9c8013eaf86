// Puts the page together: what it was opened with, its language, its screens, and the login that they follow.

import { Api } from "./api.js";
import { Flow } from "./flow.js";
import { loadTexts } from "./i18n.js";
import { isPhone, takeLaunch } from "./launch.js";
import { Screens } from "./screens.js";
import { applyTheme } from "./theme.js";

const launch = takeLaunch();
applyTheme(launch.theme);
const texts = await loadTexts(launch.language);
const screens = new Screens(document, texts, launch.app);
new Flow(new Api(launch), screens, isPhone(launch)).begin();
