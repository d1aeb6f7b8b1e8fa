// SPDX-License-Identifier: Apache-2.0
// The Size tab: sliders, a dry run as the handle rests, and the figures read again. Without this
// script the tab can be read, and its forms work. Horizon bundles the file with its own scripts.
(function () {
  "use strict";

  var REST = 400; // milliseconds after which a handle rests
  var READINGS = 400; // so many are kept for a chart, as the server draws no more
  var BUSY = "details[open], button:focus, input:focus, select:focus, summary:focus";
  var LONGEST = 30000; // milliseconds for which an answer is waited for
  var HELD = 30000; // milliseconds after which figures that are held back are said to be old

  function all(root, selector) {
    return Array.prototype.slice.call(root.querySelectorAll(selector));
  }

  // Returns the JSON that Horizon answers: also of a problem, which is in its part of the page. Its
  // isGone is whether there is no server that the user may see.
  function ask(url, options) {
    options = options || {};
    options.credentials = "same-origin";
    options.signal = AbortSignal.timeout(LONGEST);
    options.headers = {"X-Requested-With": "XMLHttpRequest", "Accept": "application/json"};
    return fetch(url, options).then(function (response) {
      if (response.redirected) {
        throw new Error(response.status);
      }
      return response.json().then(function (told) {
        if (!response.ok && typeof told.html !== "string") {
          throw new Error(response.status);
        }
        told.isGone = response.status === 404;
        return told;
      });
    });
  }

  // Shows the slider of each number box, and keeps the two alike.
  function linkSliders(form, changed) {
    all(form, "input[type=range]").forEach(function (slider) {
      var box = document.getElementById(slider.getAttribute("data-for"));
      function level() {
        if (box.value !== "") { // of no number a slider would make one of its own
          slider.value = box.value;
        }
      }
      slider.hidden = false;
      level();
      slider.addEventListener("input", function () {
        box.value = slider.value;
        changed();
      });
      box.addEventListener("input", function () {
        level();
        changed();
      });
    });
    all(form, "input[type=checkbox]").forEach(function (box) {
      box.addEventListener("change", changed);
    });
  }

  // Asks what the form would do once its values rest, and shows the answer before Apply. Until then
  // nothing is applied; where the answer cannot be read, the API decides on Apply.
  function preview(form) {
    var place = form.querySelector(".xloud-plan");
    var apply = form.querySelector("button[value=apply]");
    var timer = null;
    var asked = 0;
    linkSliders(form, function () {
      window.clearTimeout(timer);
      asked += 1;
      place.textContent = "...";
      apply.disabled = true;
      timer = window.setTimeout(show, REST, asked);
    });

    function show(number) {
      var body = new FormData(form);
      if (!form.checkValidity()) {
        // The API would refuse it; the browser says why, beside the box, on Apply.
        place.textContent = "";
        apply.disabled = false;
        return;
      }
      body.set("do", "plan");
      ask(form.action, {method: "POST", body: body}).then(function (told) {
        // A later change has its own answer.
        if (number === asked) {
          place.innerHTML = told.html;
          apply.disabled = told.admitted === false;
        }
      }).catch(function () {
        if (number === asked) {
          place.textContent = place.getAttribute("data-unread");
          apply.disabled = false;
        }
      });
    }
  }

  // Whether somebody can see the section: not in another tab of the page, or of the browser.
  function isSeen(section) {
    return !document.hidden && section.offsetParent !== null;
  }

  // Whether the reader is in the middle of something that a new part of the page would end.
  function isBusy(part) {
    return part.querySelector(BUSY) !== null;
  }

  // Shows a new part of the page. A table that scrolls, where the reader has clicked, stays so.
  function put(part, html) {
    var old = part.querySelector(".xloud-scroll");
    var left = old ? old.scrollLeft : 0;
    var had = old !== null && old === document.activeElement;
    part.innerHTML = html;
    var table = part.querySelector(".xloud-scroll");
    if (table) {
      table.scrollLeft = left;
      if (had) {
        table.focus({preventScroll: true});
      }
    }
  }

  // Lets a screen reader say the sentence, whose own element is a new one each time.
  function say(section) {
    var sentence = section.querySelector(".xloud-sentence");
    section.querySelector(".xloud-said").textContent = sentence ? sentence.textContent : "";
  }

  // Has the server draw the charts again. Where it has no Prometheus, it gets back the readings that
  // it has written for this page: they are kept here, and not understood. Returns what keeps one.
  function chart(section) {
    var place = section.querySelector(".xloud-past");
    var form = section.querySelector(".xloud-readings");
    var seconds = Number(place.getAttribute("data-seconds"));
    var isSent = form.method === "post";
    var kept = [];
    var timer = null;
    var running = false;
    var isGone = false;

    function later(after) {
      window.clearTimeout(timer);
      timer = window.setTimeout(draw, after * 1000);
    }

    function draw() {
      if (isGone || !section.isConnected) {
        return; // the server is gone, or the page has moved on
      }
      if (running || !isSeen(section)) {
        later(2);
        return;
      }
      var body = new FormData(form);
      body.set("readings", kept.join("\n"));
      running = true;
      ask(form.action, isSent ? {method: "POST", body: body} : {}).then(function (told) {
        place.innerHTML = told.html;
        isGone = told.isGone;
      }).catch(function () {
        // What is there says of which time it is.
      }).then(function () {
        running = false;
        later(seconds);
      });
    }

    function keep(reading, isNew) {
      if (reading) {
        kept = kept.concat(reading).slice(-READINGS);
      }
      if (isNew) {
        later(0);
      }
    }

    keep(form.getAttribute("data-reading"), false);
    later(seconds);
    return keep;
  }

  // Reads the figures again, sooner while the server is changing, and never while nobody sees them.
  function follow(section) {
    var live = section.querySelector(".xloud-live");
    var stale = section.querySelector(".xloud-stale");
    var held = section.querySelector(".xloud-held");
    var atRest = Number(section.getAttribute("data-at-rest"));
    var readAt = Date.now();
    var keep = chart(section);
    var timer = null;
    var running = false;
    var isGone = false;

    function later(seconds) {
      window.clearTimeout(timer);
      timer = window.setTimeout(read, seconds * 1000);
    }

    function read() {
      if (isGone || !section.isConnected) {
        return; // the server is gone, or the page has moved on
      }
      if (running || !isSeen(section) || isBusy(live)) {
        held.hidden = !isBusy(live) || Date.now() - readAt < HELD;
        later(2);
        return;
      }
      running = true;
      held.hidden = true;
      ask(section.getAttribute("data-url") + "&mark=" + section.getAttribute("data-mark"))
        .then(function (told) {
          if (!isBusy(live)) {
            readAt = Date.now();
            isGone = told.isGone;
            if (told.html) {
              put(live, told.html);
              section.setAttribute("data-mark", told.mark);
              say(section);
            }
          }
          stale.hidden = true;
          keep(told.reading, Boolean(told.html));
          return told.seconds;
        })
        .catch(function () {
          stale.hidden = false;
          return atRest;
        })
        .then(function (seconds) {
          running = false;
          later(seconds);
        });
    }

    document.addEventListener("visibilitychange", function () {
      if (!document.hidden) {
        later(0);
      }
    });
    later(Number(section.getAttribute("data-seconds")));
  }

  // Other pages have the class for its style, and nothing to be read again.
  function start(root) {
    all(root, ".xloud-size[data-url]:not([data-started])").forEach(function (section) {
      section.setAttribute("data-started", "true");
      all(section, "form.xloud-form .xloud-plan").forEach(function (place) {
        preview(place.closest("form"));
      });
      follow(section);
    });
  }

  horizon.addInitFunction(function () { start(document); });
  horizon.tabs.addTabLoadFunction(function ($tab) { start($tab[0]); });
}());
