// Camera, microphone and screen of this browser as two outgoing tracks that may change while on air.
// Knows the browser's devices; knows neither WHIP nor the page.

import { levelOf } from "./level.js";

/** Names a message; the browser's own words are too various to show. */
export type CaptureProblem =
  | "insecure"
  | "denied"
  | "missing"
  | "busy"
  | "unsuitable"
  | "unsupported"
  | "failed";

export interface Device {
  readonly id: string;
  readonly label: string;
}

export interface Devices {
  readonly cameras: readonly Device[];
  readonly microphones: readonly Device[];
}

export type PictureSource = "none" | "camera" | "screen";

export class CaptureError extends Error {
  override readonly name = "CaptureError";
  constructor(
    readonly problem: CaptureProblem,
    readonly device: "camera" | "microphone" | "screen",
  ) {
    super(`${device}: ${problem}`);
  }
}

/** What a refusal by getUserMedia or getDisplayMedia means to a person. */
export function problemOf(name: string): CaptureProblem {
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    case "OverconstrainedError":
      return "unsuitable";
    default:
      return "failed";
  }
}

const CAMERA: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
};
const MICROPHONE: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

export class Capture {
  private camera: MediaStreamTrack | null = null;
  private screen: MediaStreamTrack | null = null;
  private microphone: MediaStreamTrack | null = null;
  private screenSound: MediaStreamTrack | null = null;
  private mix: { readonly context: AudioContext; readonly track: MediaStreamTrack } | null = null;
  private meter: { readonly context: AudioContext; readonly node: AnalyserNode; readonly block: Float32Array<ArrayBuffer> } | null = null;
  private pictureOn = true;
  private soundOn = true;

  /** `changed` is called whenever an outgoing track is another one than before. */
  constructor(private readonly changed: () => void) {}

  get source(): PictureSource {
    if (this.screen !== null) return "screen";
    return this.camera === null ? "none" : "camera";
  }

  /** The outgoing picture; null while there is none. */
  get video(): MediaStreamTrack | null {
    return this.screen ?? this.camera;
  }

  get audio(): MediaStreamTrack | null {
    return this.mix?.track ?? this.microphone ?? this.screenSound;
  }

  get cameraId(): string {
    return this.camera?.getSettings().deviceId ?? "";
  }

  get microphoneId(): string {
    return this.microphone?.getSettings().deviceId ?? "";
  }

  get picture(): boolean {
    return this.pictureOn;
  }

  get sound(): boolean {
    return this.soundOn;
  }

  /** Labels are empty until a permission was given once. */
  async devices(): Promise<Devices> {
    if (!usable()) return { cameras: [], microphones: [] };
    const all = await navigator.mediaDevices.enumerateDevices();
    const of = (kind: MediaDeviceKind): Device[] =>
      all.filter((device) => device.kind === kind && device.deviceId !== "").map(({ deviceId, label }) => ({ id: deviceId, label }));
    return { cameras: of("videoinput"), microphones: of("audioinput") };
  }

  /** Throws CaptureError; what was in use before stays in use then. */
  async openCamera(id?: string): Promise<void> {
    const video = id === undefined || id === "" ? CAMERA : { ...CAMERA, deviceId: { exact: id } };
    const track = (await media("camera", { video })).getVideoTracks()[0] ?? null;
    this.camera?.stop();
    this.camera = track;
    track?.addEventListener("ended", () => this.gone("camera", track));
    this.apply();
  }

  async openMicrophone(id?: string): Promise<void> {
    const audio = id === undefined || id === "" ? MICROPHONE : { ...MICROPHONE, deviceId: { exact: id } };
    const track = (await media("microphone", { audio })).getAudioTracks()[0] ?? null;
    this.microphone?.stop();
    this.microphone = track;
    track?.addEventListener("ended", () => this.gone("microphone", track));
    this.remix();
    this.apply();
  }

  async shareScreen(): Promise<void> {
    if (!usable() || typeof navigator.mediaDevices.getDisplayMedia !== "function") {
      throw new CaptureError(window.isSecureContext ? "unsupported" : "insecure", "screen");
    }
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 30, max: 30 } }, audio: true });
    } catch (error) {
      throw new CaptureError(problemOf(error instanceof DOMException ? error.name : ""), "screen");
    }
    this.endScreen();
    const track = stream.getVideoTracks()[0] ?? null;
    if (track !== null) track.contentHint = "detail";
    this.screen = track;
    this.screenSound = stream.getAudioTracks()[0] ?? null;
    track?.addEventListener("ended", () => this.gone("screen", track));
    this.remix();
    this.apply();
  }

  /** Back to the camera. */
  stopScreen(): void {
    this.endScreen();
    this.remix();
    this.apply();
  }

  /** A hidden picture goes out as black frames: viewers stay connected. */
  showPicture(on: boolean): void {
    this.pictureOn = on;
    this.apply();
  }

  letSound(on: boolean): void {
    this.soundOn = on;
    this.apply();
  }

  /** Loudness of what goes out now, 0 to 1. */
  level(): number {
    if (this.meter === null || !this.soundOn) return 0;
    this.meter.node.getFloatTimeDomainData(this.meter.block);
    return levelOf(this.meter.block);
  }

  close(): void {
    this.endScreen();
    this.camera?.stop();
    this.microphone?.stop();
    this.camera = null;
    this.microphone = null;
    this.remix();
  }

  private gone(kind: "camera" | "microphone" | "screen", track: MediaStreamTrack): void {
    if (kind === "camera" && this.camera === track) this.camera = null;
    else if (kind === "microphone" && this.microphone === track) this.microphone = null;
    else if (kind === "screen" && this.screen === track) this.endScreen();
    else return;
    this.remix();
    this.apply();
  }

  private endScreen(): void {
    this.screen?.stop();
    this.screenSound?.stop();
    this.screen = null;
    this.screenSound = null;
  }

  private apply(): void {
    if (this.video !== null) this.video.enabled = this.pictureOn;
    // A mixed track is silenced at its sources: the shared tab's sound must stop together with the voice.
    for (const track of [this.microphone, this.screenSound]) if (track !== null) track.enabled = this.soundOn;
    this.changed();
  }

  /** One outgoing sound track: the microphone as it is, or mixed with a shared tab's sound. */
  private remix(): void {
    void this.mix?.context.close();
    this.mix = null;
    if (this.microphone !== null && this.screenSound !== null) {
      const context = new AudioContext();
      const output = context.createMediaStreamDestination();
      for (const track of [this.microphone, this.screenSound]) {
        context.createMediaStreamSource(new MediaStream([track])).connect(output);
      }
      const track = output.stream.getAudioTracks()[0];
      if (track !== undefined) this.mix = { context, track };
    }
    void this.meter?.context.close();
    this.meter = null;
    const audio = this.audio;
    if (audio === null) return;
    const context = new AudioContext();
    const node = context.createAnalyser();
    node.fftSize = 1024;
    context.createMediaStreamSource(new MediaStream([audio])).connect(node);
    this.meter = { context, node, block: new Float32Array(node.fftSize) };
  }
}

function usable(): boolean {
  // Absent on plain http from another machine.
  return (navigator.mediaDevices as MediaDevices | undefined) !== undefined;
}

async function media(device: "camera" | "microphone", constraints: MediaStreamConstraints): Promise<MediaStream> {
  if (!usable()) throw new CaptureError("insecure", device);
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    throw new CaptureError(problemOf(error instanceof DOMException ? error.name : ""), device);
  }
}
