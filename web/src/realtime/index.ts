// The realtime client library's one door.
export { backoffMs, comeback, retryAfterMs, type Comeback } from "./policy.js";
export { Refused, RoomSocket, type ModerateAction, type Purpose, type RoomSocketOptions, type SocketStatus } from "./socket.js";
export { CHAT_KEPT, EMPTY_VIEW, isKnown, reduce, shownCard, type RoomView } from "./view.js";
