// ask({…}): one question with two answers, before something that cannot be taken back.

import { html, render } from "lit";
import { tc } from "../../i18n/common.js";
import "../../ui/index.js";

export interface Question {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly danger?: boolean;
}

/** True when the person agreed; Esc, the backdrop and "Cancel" all mean no. */
export function ask(question: Question): Promise<boolean> {
  const host = document.createElement("div");
  document.body.append(host);
  return new Promise((resolve) => {
    const done = (answer: boolean): void => {
      render(html``, host);
      host.remove();
      resolve(answer);
    };
    render(
      html`<ui-dialog .open=${true} heading=${question.title} @ui-close=${() => done(false)}>
        <p class="muted">${question.text}</p>
        <div class="dialog-actions">
          <button type="button" class="btn" @click=${() => done(false)}>${tc("act.cancel")}</button>
          <button type="button" class="btn ${question.danger === true ? "btn-accent" : "btn-primary"}" @click=${() => done(true)}>${question.action}</button>
        </div>
      </ui-dialog>`,
      host,
    );
  });
}
