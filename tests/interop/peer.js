// A WHIP publisher and WHEP viewer in a page, of nothing but the browser's own interfaces.
window.peer = {
  // `options`: codec (H264, VP8, VP9, AV1), encodings (of addTransceiver), painted ({width, height, fps}: our own
  // marked picture in place of the camera's), port (reach the server through a relay on that port).
  async publish(room, key, options) {
    const { codec, encodings, painted, port } = typeof options === "string" ? { codec: options } : (options ?? {});
    const camera = painted ? false : { width: 640, height: 360 };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: camera });
    if (painted) stream.addTrack(this.paint(painted));
    this.key = key;
    this.port = port;
    this.pc = new RTCPeerConnection();
    for (const track of stream.getTracks()) {
      const video = track.kind === "video";
      const init = { direction: "sendonly", streams: [stream] };
      if (video && encodings) init.sendEncodings = encodings;
      const transceiver = this.pc.addTransceiver(track, init);
      if (video && codec) {
        const codecs = RTCRtpSender.getCapabilities("video").codecs;
        transceiver.setCodecPreferences(codecs.filter((c) => [`video/${codec}`, "video/rtx"].includes(c.mimeType)));
      }
      this.offerExtensions(transceiver);
    }
    const status = await this.post(`/whip/${room}`);
    if (painted && status === 201) await this.keepResolution();
    return status;
  },

  // Or Chromium makes the pictures smaller, and fewer, when the confetti costs it more bits than it has.
  async keepResolution() {
    for (const sender of this.pc.getSenders()) {
      const parameters = sender.getParameters();
      if (sender.track.kind === "video") {
        await sender.setParameters({ ...parameters, degradationPreference: "maintain-resolution" });
      }
    }
  },

  // `port`: reach the server through a relay on that port. `only`: "tcp" leaves no other candidate of the server's.
  async watch(room, port, only) {
    this.port = port;
    this.only = only;
    this.pc = new RTCPeerConnection();
    const stream = new MediaStream();
    document.querySelector("video").srcObject = stream;
    this.pc.ontrack = (event) => stream.addTrack(event.track);
    for (const kind of ["audio", "video"]) this.offerExtensions(this.pc.addTransceiver(kind, { direction: "recvonly" }));
    return this.post(`/whep/${room}`);
  },

  // What browsers know and do not offer by themselves: abs-capture-time, and what tells the layers of AV1 apart.
  offerExtensions(transceiver) {
    if (!transceiver.setHeaderExtensionsToNegotiate) return; // Firefox
    const wanted = /\/abs-capture-time$|#dependency-descriptor-rtp-header-extension$/;
    transceiver.setHeaderExtensionsToNegotiate(
      transceiver.getHeaderExtensionsToNegotiate().map((extension) =>
        wanted.test(extension.uri) ? { ...extension, direction: "sendrecv" } : extension,
      ),
    );
  },

  async post(url) {
    await this.pc.setLocalDescription();
    this.posted = performance.now();
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...this.bearer() },
      body: this.pc.localDescription.sdp,
    });
    if (answer.status === 201) {
      this.resource = answer.headers.get("Location");
      this.tag = answer.headers.get("ETag");
      let sdp = await answer.text();
      if (this.port) sdp = sdp.replace(/(a=candidate:\S+ \d udp \d+ 127\.0\.0\.1) \d+ /g, `$1 ${this.port} `);
      if (this.port || this.only) {
        const wanted = this.only ?? "udp";
        const lines = sdp.split("\r\n");
        sdp = lines.filter((line) => !line.startsWith("a=candidate") || line.includes(` ${wanted} `)).join("\r\n");
      }
      await this.pc.setRemoteDescription({ type: "answer", sdp });
    }
    return answer.status;
  },

  // RFC 9725 section 4.3.3: new credentials go out in a fragment, and the answer's take the place of the old ones.
  async restart() {
    this.pc.restartIce();
    const offer = await this.pc.createOffer();
    await this.pc.setLocalDescription(offer);
    const lines = offer.sdp.split("\r\n").filter((line) => /^a=ice-(ufrag|pwd):/.test(line)).slice(0, 2);
    const answer = await fetch(this.resource, {
      method: "PATCH",
      headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*", ...this.bearer() },
      body: lines.join("\r\n") + "\r\n",
    });
    const fragment = await answer.text();
    const value = (name) => fragment.match(new RegExp(`a=${name}:(.*)`))[1].trim();
    const sdp = this.pc.currentRemoteDescription.sdp
      .replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${value("ice-ufrag")}`)
      .replace(/a=ice-pwd:.*/g, `a=ice-pwd:${value("ice-pwd")}`);
    await this.pc.setRemoteDescription({ type: "answer", sdp });
    return answer.status;
  },

  async end() {
    await fetch(this.resource, { method: "DELETE", headers: this.bearer() });
    this.pc.close();
  },

  bearer() {
    return this.key ? { Authorization: `Bearer ${this.key}` } : {};
  },

  localUfrag() {
    return this.pc.localDescription.sdp.match(/a=ice-ufrag:(.*)/)[1].trim();
  },

  // Milliseconds from the POST to the first picture.
  async firstFrame() {
    const video = document.querySelector("video");
    while (video.getVideoPlaybackQuality().totalVideoFrames === 0) await new Promise((next) => setTimeout(next, 2));
    return performance.now() - this.posted;
  },

  async inbound() {
    const all = [...(await this.pc.getStats()).values()];
    const of = (type, kind) => all.find((s) => s.type === type && (!kind || s.kind === kind)) ?? {};
    const video = of("inbound-rtp", "video");
    const pair = all.find((s) => s.id === of("transport").selectedCandidatePairId) ?? {};
    return {
      ...video,
      codec: all.find((s) => s.id === video.codecId)?.mimeType,
      audioPackets: of("inbound-rtp", "audio").packetsReceived ?? 0,
      audioPlayout: of("inbound-rtp", "audio").estimatedPlayoutTimestamp,
      srtpCipher: of("transport").srtpCipher,
      address: all.find((s) => s.id === pair.remoteCandidateId)?.address,
      protocol: all.find((s) => s.id === pair.localCandidateId)?.protocol,
      roundTripS: pair.currentRoundTripTime,
      state: this.pc.connectionState,
    };
  },

  // What each encoding sent: [{rid, width, frames, plis, nacks, scalabilityMode, active}].
  async outbound() {
    const all = [...(await this.pc.getStats()).values()];
    return all.filter((s) => s.type === "outbound-rtp" && s.kind === "video").map((s) => ({
      rid: s.rid ?? "", width: s.frameWidth ?? 0, frames: s.framesEncoded ?? 0, plis: s.pliCount ?? 0,
      nacks: s.nackCount ?? 0, resent: s.retransmittedPacketsSent ?? 0, mode: s.scalabilityMode ?? "",
      active: s.active ?? true, limit: s.qualityLimitationReason ?? "",
    }));
  },

  // The newest packet's capture time as the receiver was told of it (abs-capture-time), or null.
  captureTime() {
    for (const receiver of this.pc.getReceivers()) {
      if (receiver.track.kind !== "video") continue;
      return receiver.getSynchronizationSources()[0]?.captureTimestamp ?? null;
    }
    return null;
  },

  // A picture that can be checked: red on the left, blue on the right, and its number in 16 black or white blocks.
  paint({ width, height, fps }) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const draw = canvas.getContext("2d");
    let number = 0;
    const next = () => {
      number = (number + 1) % 65536;
      draw.fillStyle = "rgb(200,40,40)";
      draw.fillRect(0, 0, width / 2, height);
      draw.fillStyle = "rgb(40,40,200)";
      draw.fillRect(width / 2, 0, width / 2, height);
      // A band of confetti, so that a large picture takes more bits than a small one.
      for (let at = 0; at < 150; at++) {
        draw.fillStyle = `hsl(${Math.random() * 360},80%,50%)`;
        draw.fillRect(Math.random() * width, height * (0.4 + Math.random() * 0.25), 12, 12);
      }
      for (let bit = 0; bit < 16; bit++) {
        draw.fillStyle = (number >> bit) & 1 ? "white" : "black";
        draw.fillRect((bit * width) / 16, (height * 3) / 4, width / 16, height / 4);
      }
    };
    next();
    setInterval(next, 1000 / fps);
    return canvas.captureStream(fps).getVideoTracks()[0];
  },

  // Looks at every shown picture of `paint` from now on; `seen()` tells what it saw.
  look() {
    const video = document.querySelector("video");
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 160, height: 90 });
    const draw = canvas.getContext("2d", { willReadFrequently: true });
    const facts = (this.facts = { pictures: 0, wrong: [], back: 0, longestMs: 0, widths: [], number: -1 });
    let last = performance.now();
    const near = (got, wanted) => wanted.every((value, i) => Math.abs(got[i] - value) < 60);
    const each = (now) => {
      draw.drawImage(video, 0, 0, 160, 90);
      const at = (x, y) => [...draw.getImageData(x, y, 1, 1).data.slice(0, 3)];
      if (draw.getImageData(30, 20, 1, 1).data[3] === 0) {
        video.requestVideoFrameCallback(each); // nothing was drawn: the element has no picture yet
        return;
      }
      const [left, right] = [at(30, 20), at(130, 20)];
      if (!near(left, [200, 40, 40]) || !near(right, [40, 40, 200])) facts.wrong.push([left, right]);
      let number = 0;
      for (let bit = 0; bit < 16; bit++) number |= at(bit * 10 + 5, 79)[0] > 127 ? 1 << bit : 0;
      if (facts.number >= 0 && ((number - facts.number) & 0xffff) > 32768) facts.back++;
      facts.number = number;
      facts.pictures++;
      facts.longestMs = Math.max(facts.longestMs, now - last);
      last = now;
      const width = video.videoWidth;
      if (facts.widths.at(-1)?.[0] !== width) facts.widths.push([width, Math.round(performance.now())]);
      video.requestVideoFrameCallback(each);
    };
    video.requestVideoFrameCallback(each);
  },

  seen() {
    return { ...this.facts, now: Math.round(performance.now()) };
  },
};
