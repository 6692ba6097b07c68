// The browser's own camera: one picture of it.
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";

export function Camera({ words, close, take }) {
  const video = useRef(null);
  const [failed, setFailed] = useState(navigator.mediaDevices ? "" : "no_camera");
  useEffect(() => {
    let stream = null;
    let over = false;
    if (navigator.mediaDevices) {
      navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } }).then((got) => {
        stream = got;
        if (over) stream.getTracks().forEach((track) => track.stop());
        else video.current.srcObject = stream;
      }, () => setFailed("camera_refused"));
    }
    return () => { over = true; stream?.getTracks().forEach((track) => track.stop()); };
  }, []);
  function shoot() {
    const canvas = document.createElement("canvas");
    canvas.width = video.current.videoWidth;
    canvas.height = video.current.videoHeight;
    canvas.getContext("2d").drawImage(video.current, 0, 0);
    canvas.toBlob((blob) => take(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
  }
  return html`<div class="card">
    ${failed ? html`<p class="bad" role="alert">${words.t(failed)}</p>`
      : html`<div class="stage"><video ref=${video} autoplay playsinline muted></video></div>`}
    <div class="row">${!failed && html`<button class="main" onClick=${shoot}>${words.t("shoot")}</button>`}
      <button onClick=${close}>${words.t("cancel")}</button></div></div>`;
}
