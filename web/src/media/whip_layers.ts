// Which encodings of one picture a WHIP publisher sends: three sizes for a server that passes each viewer the one
// that fits, or one at full size. Pure: knows no RTCPeerConnection; bitrates are bits per second.

/** One entry of `sendEncodings`, as far as it is decided here. */
export interface Encoding {
  rid?: string;
  active?: boolean;
  maxBitrate?: number;
  maxFramerate?: number;
  scaleResolutionDownBy?: number;
}

const LOW_BPS = 150_000;
const MEDIUM_BPS = 500_000;

/** One encoding at full size. */
export function single(videoBps: number, maxFps: number): Encoding[] {
  return [{ maxBitrate: videoBps, maxFramerate: maxFps }];
}

/** Three encodings from low to high; one where the limit leaves no room for three that differ. */
export function layered(videoBps: number, maxFps: number): Encoding[] {
  if (videoBps < MEDIUM_BPS * 2) return single(videoBps, maxFps);
  return [
    { rid: "l", scaleResolutionDownBy: 4, maxBitrate: LOW_BPS, maxFramerate: maxFps },
    { rid: "m", scaleResolutionDownBy: 2, maxBitrate: MEDIUM_BPS, maxFramerate: maxFps },
    { rid: "h", scaleResolutionDownBy: 1, maxBitrate: videoBps, maxFramerate: maxFps },
  ];
}

/** Whether an answer takes more than one encoding (RFC 8853). */
export function takesLayers(answer: string): boolean {
  return /^a=simulcast:(?:.* )?recv [^\s;]+;/m.test(answer);
}

/**
 * The encodings for a server that takes only one. The browser then goes on with the first, which is the smallest,
 * so that one becomes the whole picture; any other left over is switched off.
 */
export function widened<T extends Encoding>(encodings: readonly T[], videoBps: number, maxFps: number): T[] {
  return encodings.map((encoding, index) =>
    index > 0 ? { ...encoding, active: false } : { ...encoding, active: true, scaleResolutionDownBy: 1, maxBitrate: videoBps, maxFramerate: maxFps },
  );
}
