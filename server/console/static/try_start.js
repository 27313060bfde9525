// The form that opens a session: tells the time zone, so that "tomorrow" is that of the person.
"use strict";

const zone = document.getElementById("time-zone");
if (zone) {
  zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
}
