// What the theme leaves to be said to those who read by ear.

function say() {
  // Each box with a scroll bar of its own is made a landmark, all of one name: they are groups.
  for (const box of document.querySelectorAll(".simplebar-content-wrapper[role=region]")) box.setAttribute("role", "group");
  // A field that completes what is typed has a label, and what is seen of it has none.
  for (const field of document.querySelectorAll("select.select2-hidden-accessible")) {
    const seen = field.parentElement.querySelector(".select2-selection__rendered");
    if (field.labels[0]) seen?.setAttribute("aria-label", field.labels[0].textContent.trim());
  }
}

addEventListener("DOMContentLoaded", () => {
  say();
  new MutationObserver(say).observe(document.body, { childList: true, subtree: true });
});
