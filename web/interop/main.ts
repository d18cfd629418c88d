// A page of clients not written here, for tests/e2e/test_foreign_clients.py: Eyevinn's WHIP client and WebRTC player.
// Built into .interop/, never shipped. Knows two URLs and a key from its query, nothing of this project.
import { WebRTCPlayer } from "@eyevinn/webrtc-player";
import { WHIPClient } from "@eyevinn/whip-web-client";

const query = new URLSearchParams(location.search);
const video = (id: string): HTMLVideoElement => document.querySelector<HTMLVideoElement>(`#${id}`)!;

const whip = query.get("whip");
if (whip !== null) {
  const client = new WHIPClient({ endpoint: whip, opts: { authkey: query.get("key") ?? "", debug: true } });
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: true });
  video("sent").srcObject = stream;
  await client.ingest(stream);
  document.title = "publishing";
  addEventListener("stop-publishing", () => void client.destroy().then(() => (document.title = "stopped")));
}

const whep = query.get("whep");
if (whep !== null) {
  const player = new WebRTCPlayer({ video: video("seen"), type: "whep" });
  await player.load(new URL(whep));
}
