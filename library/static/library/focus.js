// Puts the focus where the page wants it, once it is seen: the theme hides pages while browsers would do that.
const wanted = document.querySelector(".desk [autofocus]");

function focus(attempts) {
  wanted.focus();
  if (document.activeElement !== wanted && attempts > 0) {
    requestAnimationFrame(() => focus(attempts - 1));
  }
}

if (wanted) {
  focus(60);
}
