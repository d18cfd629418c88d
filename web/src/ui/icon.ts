// The icon set: 24 x 24, stroke 1.75, drawn for this project. `icon("heart")` is decorative (aria-hidden):
// the control around it carries the words.
import { svg, type TemplateResult } from "lit";
import { unsafeSVG } from "lit/directives/unsafe-svg.js";

// Constant path data of this file only; nothing from outside ever reaches unsafeSVG.
const shapes = {
  play: '<path d="M7 4.6v14.8a.6.6 0 0 0 .92.5l11.4-7.4a.6.6 0 0 0 0-1L7.92 4.1a.6.6 0 0 0-.92.5z" fill="currentColor"/>',
  heart: '<path d="M12 20.3S3.5 15.4 3.5 9.3A4.8 4.8 0 0 1 12 6.3a4.8 4.8 0 0 1 8.5 3c0 6.1-8.5 11-8.5 11z"/>',
  heartFill: '<path d="M12 20.3S3.5 15.4 3.5 9.3A4.8 4.8 0 0 1 12 6.3a4.8 4.8 0 0 1 8.5 3c0 6.1-8.5 11-8.5 11z" fill="currentColor"/>',
  bag: '<path d="M5.200 8h13.600l.900 11.200a1.600 1.600 0 0 1-1.600 1.800H5.900a1.600 1.600 0 0 1-1.600-1.800z"/><path d="M8.500 10.500V7a3.500 3.500 0 0 1 7 0v3.500"/>',
  share: '<path d="M12 15V3.500M8 7l4-3.700L16 7"/><path d="M6 11.500H5v9h14v-9h-1"/>',
  send: '<path d="M4 12 20.500 4 15 20.500l-3.200-6.800z"/><path d="m11.800 13.700 8.700-9.700"/>',
  sound: '<path d="M4 9.500v5h3.500L12.500 19V5L7.500 9.500z"/><path d="M16 9a4.300 4.300 0 0 1 0 6M18.800 6.300a8 8 0 0 1 0 11.400"/>',
  mute: '<path d="M4 9.500v5h3.500L12.500 19V5L7.500 9.500z"/><path d="m16.500 9.700 4.600 4.600m0-4.600-4.600 4.600"/>',
  eye: '<path d="M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12z"/><circle cx="12" cy="12" r="2.800"/>',
  close: '<path d="M5.500 5.500 18.500 18.500M18.500 5.500 5.500 18.500"/>',
  check: '<path d="m4.500 12.800 4.700 4.700L19.500 7"/>',
  plus: '<path d="M12 5v14M5 12h14"/>',
  minus: '<path d="M5 12h14"/>',
  back: '<path d="M14.500 5 7.500 12l7 7"/>',
  next: '<path d="m9.500 5 7 7-7 7"/>',
  up: '<path d="m5 14.500 7-7 7 7"/>',
  down: '<path d="m5 9.500 7 7 7-7"/>',
  more: '<circle cx="5" cy="12" r="1.400" fill="currentColor"/><circle cx="12" cy="12" r="1.400" fill="currentColor"/><circle cx="19" cy="12" r="1.400" fill="currentColor"/>',
  menu: '<path d="M4 7h16M4 12h16M4 17h16"/>',
  search: '<circle cx="11" cy="11" r="6.500"/><path d="m16 16 4.500 4.500"/>',
  alert: '<path d="M12 3.800 21.500 20h-19z"/><path d="M12 10v4.500M12 17.300v.200"/>',
  info: '<circle cx="12" cy="12" r="8.800"/><path d="M12 11v5.500M12 7.700v.200"/>',
  sun: '<circle cx="12" cy="12" r="4"/><path d="M12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M18.700 5.300l-1.400 1.400M6.700 17.300l-1.400 1.400"/>',
  moon: '<path d="M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z"/>',
  globe: '<circle cx="12" cy="12" r="8.800"/><path d="M3.200 12h17.600M12 3.200c2.800 2.600 4 5.500 4 8.800s-1.200 6.200-4 8.800c-2.800-2.600-4-5.500-4-8.800s1.200-6.200 4-8.800z"/>',
  user: '<circle cx="12" cy="8" r="4"/><path d="M4.500 20.500c.6-4 3.600-6 7.500-6s6.900 2 7.500 6"/>',
  chat: '<path d="M4 5h16v11.500H11L6.500 20.500v-4H4z"/>',
  pin: '<path d="M9 3.500h6l-1 6.500 3.500 3.500h-11L10 10zM12 13.500v7"/>',
  clock: '<circle cx="12" cy="12" r="8.800"/><path d="M12 7v5.300l3.500 2"/>',
  calendar: '<path d="M4 6h16v14H4zM4 10.500h16M8.500 3.500v4M15.500 3.500v4"/>',
  camera: '<path d="M3.500 7h11.500v10.500H3.500zM15 11l5.500-3v8.500L15 13.500"/>',
  mic: '<path d="M9 6a3 3 0 0 1 6 0v5.500a3 3 0 0 1-6 0z"/><path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3"/>',
  screen: '<path d="M3.500 5h17v11.500h-17zM8.500 20h7M12 16.500V20"/>',
  live: '<circle cx="12" cy="12" r="2.600" fill="currentColor"/><path d="M7.300 7.300a6.600 6.600 0 0 0 0 9.400M16.700 7.300a6.600 6.600 0 0 1 0 9.400M4.200 4.200a11 11 0 0 0 0 15.600M19.800 4.200a11 11 0 0 1 0 15.600"/>',
  stop: '<rect x="6" y="6" width="12" height="12" rx="2" fill="currentColor"/>',
  edit: '<path d="m4.500 19.500.800-4.300L16 4.500l3.500 3.500L8.800 18.700z"/>',
  trash: '<path d="M4 6.500h16M9 6.500v-3h6v3M6 6.500l1 14h10l1-14M10 10.500v6M14 10.500v6"/>',
  copy: '<path d="M9 9h11v11.500H9z"/><path d="M15 9V3.500H4V15h5"/>',
  image: '<path d="M3.500 5h17v14h-17z"/><circle cx="8.500" cy="10" r="1.700"/><path d="m4 18 5.500-5 3.500 3 3-2.500 4.500 4"/>',
  upload: '<path d="M12 16V4.500M7.500 9 12 4.500 16.500 9M4.500 15v5h15v-5"/>',
  download: '<path d="M12 4v11.500M7.500 11l4.500 4.500L16.500 11M4.500 15v5h15v-5"/>',
  link: '<path d="M10 14a4 4 0 0 0 5.700 0l3.400-3.400a4 4 0 0 0-5.700-5.700l-1.400 1.400"/><path d="M14 10a4 4 0 0 0-5.700 0l-3.400 3.400a4 4 0 0 0 5.700 5.700l1.400-1.400"/>',
  box: '<path d="M12 3.200 20.500 7.700v8.600L12 20.800l-8.500-4.500V7.700z"/><path d="M3.500 7.700 12 12.300l8.500-4.600M12 12.300v8.500"/>',
  receipt: '<path d="M5.500 3.500h13v17l-2.200-1.500-2.100 1.500-2.200-1.500-2.200 1.500-2.100-1.500-2.200 1.500z"/><path d="M9 8.500h6M9 12.500h6"/>',
  chart: '<path d="M4 4v16h16"/><path d="m7.500 15 3.800-4.500 3 2.500L19.500 7"/>',
  tag: '<path d="M4 4h8l8.500 8.500-8 8L4 12z"/><circle cx="8.300" cy="8.300" r="1.300"/>',
  money: '<path d="M3.500 6.500h17v11h-17z"/><circle cx="12" cy="12" r="2.500"/><path d="M6.500 12v.100M17.500 12v.100"/>',
  card: '<path d="M3 6h18v12.500H3zM3 10h18M6.500 15h4"/>',
  lock: '<path d="M5.500 11h13v9.500h-13zM8.500 11V8a3.500 3.500 0 0 1 7 0v3"/>',
  shield: '<path d="M12 3.200 19.500 6v5.500c0 4.700-3 8-7.500 9.300-4.500-1.300-7.500-4.600-7.500-9.300V6z"/><path d="m8.700 12 2.300 2.300 4.300-4.600"/>',
  refresh: '<path d="M19.500 12a7.500 7.500 0 1 1-2.300-5.400"/><path d="M20 3.500v4.200h-4.200"/>',
  settings: '<circle cx="12" cy="12" r="3"/><path d="M12 3.500v2.700M12 17.800v2.700M3.500 12h2.700M17.800 12h2.700M6 6l1.900 1.900M16.100 16.100 18 18M18 6l-1.900 1.900M7.900 16.100 6 18"/>',
  grip: '<circle cx="9" cy="6" r="1.300" fill="currentColor"/><circle cx="15" cy="6" r="1.300" fill="currentColor"/><circle cx="9" cy="12" r="1.300" fill="currentColor"/><circle cx="15" cy="12" r="1.300" fill="currentColor"/><circle cx="9" cy="18" r="1.300" fill="currentColor"/><circle cx="15" cy="18" r="1.300" fill="currentColor"/>',
  reply: '<path d="M9.500 6 4 11.500 9.500 17"/><path d="M4.500 11.500H14a6 6 0 0 1 6 6V19"/>',
  ban: '<circle cx="12" cy="12" r="8.800"/><path d="m6 6 12 12"/>',
  signout: '<path d="M14 4H5v16h9M10 12h10.500M17 8.500l3.500 3.500-3.500 3.500"/>',
  print: '<path d="M7 9V3.500h10V9M7 17H3.500V9h17v8H17"/><path d="M7 14h10v6.500H7z"/>',
  users: '<circle cx="9" cy="8.500" r="3.500"/><path d="M2.500 19.500c.5-3.500 3-5.300 6.500-5.300s6 1.800 6.500 5.300M15.500 5.300a3.500 3.500 0 0 1 0 6.400M18 14.800c2 .8 3.200 2.300 3.500 4.700"/>',
  flip: '<path d="M4 8h13l-3-3M20 16H7l3 3"/>',
} as const;

export type IconName = keyof typeof shapes;

export function icon(name: IconName): TemplateResult {
  return svg`<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">${unsafeSVG(shapes[name])}</svg>` as TemplateResult;
}

/** The brand mark: a picture going out as a wave from a bag's handle. */
export const mark = (): TemplateResult =>
  svg`<svg viewBox="0 0 32 32" aria-hidden="true" focusable="false"><rect width="32" height="32" rx="9" fill="#cf3414"/><path d="M8.500 20.500a7.500 7.500 0 0 1 15 0" fill="none" stroke="#fff" stroke-width="2.600" stroke-linecap="round"/><path d="M12.800 20.500a3.200 3.200 0 0 1 6.400 0" fill="none" stroke="#ffc9b8" stroke-width="2.600" stroke-linecap="round"/><circle cx="16" cy="21.200" r="2" fill="#fff"/></svg>` as TemplateResult;
