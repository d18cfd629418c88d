import { describe, expect, it } from "vitest";

import { ofPublisher, ofViewer } from "./extensions.js";

const LIST = [
  { uri: "urn:ietf:params:rtp-hdrext:toffset", direction: "sendrecv" },
  { uri: "urn:ietf:params:rtp-hdrext:sdes:mid", direction: "sendrecv" },
  { uri: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time", direction: "stopped" },
  { uri: "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension", direction: "stopped" },
  { uri: "http://www.webrtc.org/experiments/rtp-hdrext/corruption-detection", direction: "stopped" },
];
const directions = (list: typeof LIST): string[] => list.map(({ direction }) => direction);

describe("header extensions", () => {
  it("of a publisher: the time of capture, not what is never read, and the rest as it was", () => {
    expect(directions(ofPublisher(LIST))).toEqual(["stopped", "sendrecv", "sendrecv", "stopped", "stopped"]);
  });
  it("of a viewer: the layers of AV1 too", () => {
    expect(directions(ofViewer(LIST))).toEqual(["stopped", "sendrecv", "sendrecv", "sendrecv", "stopped"]);
  });
});
