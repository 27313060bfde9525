// The form that opens a session: tells the time zone, so that "tomorrow" is that of the person, and shows the facts of the
// chosen flow alone.
"use strict";

const zone = document.getElementById("time-zone");
if (zone) {
  zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
}

const flow = document.getElementById("flow");
if (flow) {
  const show = () => {
    for (const facts of document.querySelectorAll("fieldset[data-flow]")) {
      facts.hidden = facts.disabled = facts.dataset.flow !== flow.value; // what is disabled is not sent
    }
  };
  flow.addEventListener("change", show);
  window.addEventListener("pageshow", show); // a browser that goes back chooses the flow of before
  show();
}
