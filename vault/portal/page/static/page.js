// What a page can do better with a script. Without it every page still works.
"use strict";

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// A form with data-wait can be sent after that many seconds. The server sees to it
// in any case; here the button waits too and counts. data-wait-text has {n} in it.
for (const form of document.querySelectorAll("form[data-wait]")) {
  const button = form.querySelector("button:not([type])");
  const said = form.querySelector("[data-wait-said]");
  const text = button.textContent;
  const end = performance.now() + 1000 * Number(form.dataset.wait);
  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? form.dataset.waitText.replace("{n}", left) : text;
    if (left > 0) setTimeout(tick, 250);
    else if (said) said.textContent = form.dataset.waitDone;
  };
  if (form.dataset.wait > 0) tick();
}

// Buttons that print are there only with a script.
for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

// After a form that was filled in wrongly, the reader starts at what to mend.
const wrong = document.querySelector(".errors");
if (wrong) wrong.focus();
