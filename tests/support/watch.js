// A viewer in a page, and everything about its picture that a fault could spoil. Nothing of the server's pages in it.
window.makeViewer = () => ({
  frames: [],

  async offer() {
    this.pc = new RTCPeerConnection();
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, autoplay: true, playsInline: true, width: 320 });
    document.body.append(this.video);
    const stream = (this.video.srcObject = new MediaStream());
    this.pc.ontrack = (event) => stream.addTrack(event.track);
    for (const kind of ["audio", "video"]) this.pc.addTransceiver(kind, { direction: "recvonly" });
    const look = (now, frame) => {
      this.frames.push({ at: performance.timeOrigin + now, rtp: frame.rtpTimestamp, width: frame.width });
      if (this.frames.length > 20000) this.frames.splice(0, 10000);
      this.video.requestVideoFrameCallback(look);
    };
    this.video.requestVideoFrameCallback(look);
    await this.pc.setLocalDescription();
    return this.pc.localDescription.sdp;
  },

  answer(sdp) {
    return this.pc.setRemoteDescription({ type: "answer", sdp });
  },

  async facts() {
    const all = [...(await this.pc.getStats()).values()];
    const of = (type, kind) => all.find((s) => s.type === type && (!kind || s.kind === kind)) ?? {};
    const pair = all.find((s) => s.type === "candidate-pair" && s.nominated) ?? {};
    return {
      ...of("inbound-rtp", "video"),
      at: Date.now(),
      shown: this.frames.length,
      last: this.frames.at(-1) ?? null,
      state: this.pc.connectionState,
      rtt: pair.currentRoundTripTime,
      audio: of("inbound-rtp", "audio"),
    };
  },

  since(at) {
    return this.frames.filter((frame) => frame.at >= at);
  },

  close() {
    this.pc.close();
    this.video.remove();
  },
});
