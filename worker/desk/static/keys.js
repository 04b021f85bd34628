// Keys: / searches, g and a letter goes to a room, j and k walk down and up a list, ? tells of it.
(function () {
  "use strict";
  var going = false;
  var rooms = document.getElementById("menu");
  if (rooms && window.matchMedia("(max-width: 60rem)").matches) rooms.open = false;
  function typing(target) {
    return target.closest("input, textarea, select, [contenteditable], dialog[open]");
  }
  function walk(step) {
    var rows = Array.from(document.querySelectorAll("[data-row]"));
    if (!rows.length) return;
    var at = rows.indexOf(document.activeElement);
    var next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (going) {
      going = false;
      var room = document.querySelector('[data-key="' + CSS.escape(event.key) + '"]');
      if (room) { event.preventDefault(); room.click(); }
      return;
    }
    if (event.key === "g") going = true;
    else if (event.key === "j") walk(1);
    else if (event.key === "k") walk(-1);
    else if (event.key === "/") {
      var search = document.getElementById("search");
      if (search) {
        event.preventDefault();
        var menu = search.closest("details");
        if (menu) menu.open = true;
        search.focus();
      }
    } else if (event.key === "?") {
      var help = document.getElementById("keys");
      if (help) help.showModal();
    }
  });
  // A part of a page that is on its way says so to those who have the page read to them.
  document.addEventListener("htmx:beforeRequest", function (event) {
    event.detail.target.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    event.detail.target.removeAttribute("aria-busy");
  });
  // A button that asks first: <button data-ask="Release it?">.
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-ask]");
    if (button && !window.confirm(button.dataset.ask)) event.preventDefault();
  });
})();
