// A WHIP publisher and WHEP viewer in a page, of nothing but the browser's own interfaces.
window.peer = {
  async publish(room, key, codec) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
    this.key = key;
    this.pc = new RTCPeerConnection();
    for (const track of stream.getTracks()) {
      const transceiver = this.pc.addTransceiver(track, { direction: "sendonly", streams: [stream] });
      if (codec && track.kind === "video") {
        const codecs = RTCRtpSender.getCapabilities("video").codecs;
        transceiver.setCodecPreferences(codecs.filter((c) => [`video/${codec}`, "video/rtx"].includes(c.mimeType)));
      }
    }
    return this.post(`/whip/${room}`);
  },

  // `port`: reach the server through a relay on that port.
  async watch(room, port) {
    this.port = port;
    this.pc = new RTCPeerConnection();
    const stream = new MediaStream();
    document.querySelector("video").srcObject = stream;
    this.pc.ontrack = (event) => stream.addTrack(event.track);
    for (const kind of ["audio", "video"]) this.pc.addTransceiver(kind, { direction: "recvonly" });
    return this.post(`/whep/${room}`);
  },

  async post(url) {
    await this.pc.setLocalDescription();
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...this.bearer() },
      body: this.pc.localDescription.sdp,
    });
    if (answer.status === 201) {
      this.resource = answer.headers.get("Location");
      this.tag = answer.headers.get("ETag");
      const sdp = await answer.text();
      const routed = this.port ? sdp.replace(/(a=candidate:.* 127\.0\.0\.1) \d+ /g, `$1 ${this.port} `) : sdp;
      await this.pc.setRemoteDescription({ type: "answer", sdp: routed });
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

  async shown(count) {
    const video = document.querySelector("video");
    for (let i = 0; i < count; i++) await new Promise((next) => video.requestVideoFrameCallback(next));
  },

  async inbound() {
    const all = [...(await this.pc.getStats()).values()];
    const of = (type, kind) => all.find((s) => s.type === type && (!kind || s.kind === kind)) ?? {};
    const video = of("inbound-rtp", "video");
    return {
      ...video,
      codec: all.find((s) => s.id === video.codecId)?.mimeType,
      audioPackets: of("inbound-rtp", "audio").packetsReceived ?? 0,
      srtpCipher: of("transport").srtpCipher,
      state: this.pc.connectionState,
    };
  },
};
