/** The icons in use, as files of our own: nothing is loaded from elsewhere. */
import { registerIconLibrary } from "@awesome.me/webawesome/dist/components/icon/library.js";
import arrowRepeat from "bootstrap-icons/icons/arrow-repeat.svg?url";
import send from "bootstrap-icons/icons/box-arrow-right.svg?url";
import broadcast from "bootstrap-icons/icons/broadcast.svg?url";
import checkCircle from "bootstrap-icons/icons/check-circle-fill.svg?url";
import check from "bootstrap-icons/icons/check-lg.svg?url";
import chevronDown from "bootstrap-icons/icons/chevron-down.svg?url";
import chevronRight from "bootstrap-icons/icons/chevron-right.svg?url";
import circle from "bootstrap-icons/icons/circle-fill.svg?url";
import halfCircle from "bootstrap-icons/icons/circle-half.svg?url";
import clipboardPulse from "bootstrap-icons/icons/clipboard2-pulse.svg?url";
import code from "bootstrap-icons/icons/code-slash.svg?url";
import copy from "bootstrap-icons/icons/copy.svg?url";
import dash from "bootstrap-icons/icons/dash-lg.svg?url";
import warning from "bootstrap-icons/icons/exclamation-triangle-fill.svg?url";
import eye from "bootstrap-icons/icons/eye.svg?url";
import eyeSlash from "bootstrap-icons/icons/eye-slash.svg?url";
import disk from "bootstrap-icons/icons/hdd.svg?url";
import server from "bootstrap-icons/icons/hdd-network.svg?url";
import images from "bootstrap-icons/icons/images.svg?url";
import info from "bootstrap-icons/icons/info-circle-fill.svg?url";
import journal from "bootstrap-icons/icons/journal-text.svg?url";
import stack from "bootstrap-icons/icons/layers.svg?url";
import menu from "bootstrap-icons/icons/list.svg?url";
import people from "bootstrap-icons/icons/people.svg?url";
import plus from "bootstrap-icons/icons/plus-lg.svg?url";
import search from "bootstrap-icons/icons/search.svg?url";
import shield from "bootstrap-icons/icons/shield-exclamation.svg?url";
import signpost from "bootstrap-icons/icons/signpost-split.svg?url";
import speedometer from "bootstrap-icons/icons/speedometer2.svg?url";
import terminal from "bootstrap-icons/icons/terminal.svg?url";
import translate from "bootstrap-icons/icons/translate.svg?url";
import xCircle from "bootstrap-icons/icons/x-circle-fill.svg?url";
import x from "bootstrap-icons/icons/x-lg.svg?url";

const OURS = {
  api: code,
  audit: journal,
  diagnostics: clipboardPulse,
  disk,
  failed: xCircle,
  info,
  language: translate,
  logs: terminal,
  menu,
  ok: checkCircle,
  overview: speedometer,
  plus,
  quarantine: shield,
  queues: stack,
  repeat: arrowRepeat,
  routes: signpost,
  scanner: broadcast,
  search,
  send,
  server,
  studies: images,
  theme: halfCircle,
  users: people,
  warning,
} as const;

export type IconName = keyof typeof OURS;

/** Those that the components draw by themselves. */
const SYSTEM: Record<string, string> = {
  check,
  "chevron-down": chevronDown,
  "chevron-right": chevronRight,
  circle,
  "circle-xmark": xCircle,
  copy,
  eye,
  "eye-slash": eyeSlash,
  indeterminate: dash,
  minus: dash,
  plus,
  xmark: x,
};

registerIconLibrary("default", { resolver: (name) => OURS[name as IconName] });
registerIconLibrary("system", { resolver: (name) => SYSTEM[name] ?? circle });
