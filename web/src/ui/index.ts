// The design system's one door: styles and everything a page composes from.
import "./index.css";

export { define, LocalizedElement, PageElement } from "./element.js";
export { icon, mark, type IconName } from "./icon.js";
export { UiDialog, UiSheet } from "./overlay.js";
export { avatar, empty, field, notice, spinner, tile, type FieldIds } from "./parts.js";
export { langSwitch, themeSwitch, UiNav, type NavLink } from "./nav.js";
export { tabs, type Tab } from "./tabs.js";
export { setTheme, theme, type Theme } from "./theme.js";
export { toast, type ToastKind } from "./toast.js";
