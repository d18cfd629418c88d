// Which RTP header extensions a page offers, in browsers that let it choose (WebRTC extensions, section 6): some that
// they know and do not offer by themselves. Knows nothing of sessions and servers.

/** A header extension as browsers list it before an offer. */
export interface HeaderExtension {
  uri: string;
  direction: string;
}

const CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
const DEPENDENCIES = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
// What no server of ours reads or writes makes room: there are 14 short ids.
const UNUSED = new Set([
  "urn:ietf:params:rtp-hdrext:toffset",
  "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
  "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
  "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
  "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
  "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
]);

const choose = <T extends HeaderExtension>(extensions: readonly T[], wanted: ReadonlySet<string>): T[] =>
  extensions.map((extension) => {
    if (wanted.has(extension.uri)) return { ...extension, direction: "sendrecv" };
    return UNUSED.has(extension.uri) ? { ...extension, direction: "stopped" } : extension;
  });

/** A publisher tells when each picture was captured. */
export function ofPublisher<T extends HeaderExtension>(extensions: readonly T[]): T[] {
  return choose(extensions, new Set([CAPTURE_TIME]));
}

/** A viewer is told so, and which layer a frame of AV1 belongs to: without that it gets the smallest only. */
export function ofViewer<T extends HeaderExtension>(extensions: readonly T[]): T[] {
  return choose(extensions, new Set([CAPTURE_TIME, DEPENDENCIES]));
}

interface Choice {
  getHeaderExtensionsToNegotiate?(): HeaderExtension[];
  setHeaderExtensionsToNegotiate?(extensions: readonly HeaderExtension[]): void;
}

/** Offers what `choice` makes of the browser's list. */
export function offerExtensions(transceiver: RTCRtpTransceiver, choice: (extensions: readonly HeaderExtension[]) => HeaderExtension[]): void {
  const chooser = transceiver as RTCRtpTransceiver & Choice;
  try {
    const offered = chooser.getHeaderExtensionsToNegotiate?.();
    if (offered !== undefined) chooser.setHeaderExtensionsToNegotiate?.(choice(offered));
  } catch {
    // A browser that insists on some extension keeps its own choice.
  }
}
