// The import page: a place to drop files, and how far the work is. Without it the page works as well.

const EVERY = 1000; // milliseconds

const drop = document.querySelector("[data-drop]");
if (drop) {
  const chooser = drop.querySelector("input[type=file]");
  const mark = (isOver) => drop.toggleAttribute("data-over", isOver);
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  drop.addEventListener("dragleave", () => mark(false));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    if (event.dataTransfer.files.length) chooser.files = event.dataTransfer.files;
    chooser.focus();
  });
}

const form = document.querySelector("[data-import-form]");
form?.addEventListener("submit", () => {
  const button = form.querySelector("[type=submit]");
  button.textContent = form.dataset.sending;
  button.disabled = true; // after what it sends was gathered
});

const progress = document.querySelector("[data-progress]");
if (progress) {
  const bar = progress.querySelector("progress");
  const say = (name, text) => {
    const place = progress.querySelector(`[data-${name}]`);
    if (place.textContent !== text) place.textContent = text; // so that nothing is read out twice
  };
  const look = async () => {
    try {
      const answer = await fetch(progress.dataset.progress, { headers: { Accept: "application/json" } });
      const now = answer.redirected ? { is_over: true } : await answer.json(); // signed out meanwhile
      if (now.is_over) {
        location.reload();
        return;
      }
      say("status", now.status);
      say("rows", now.rows);
      if (now.is_known) bar.value = now.percent;
      progress.querySelector("[data-missed]").hidden = !now.is_missed;
    } catch {
      // The connection is gone for a moment: asked again.
    }
    setTimeout(look, EVERY);
  };
  setTimeout(look, EVERY / 4);
}

// What one would do next is under the finger, when the page is there again.
document.querySelector("[data-next]")?.focus();
