// Before the first paint, and before a module runs: apply the saved theme, and take the token out of the address.
"use strict";
const savedTheme = localStorage.getItem("slic-theme");
if (savedTheme) document.documentElement.dataset.theme = savedTheme;
const shownAddress = new URL(location);
if (shownAddress.searchParams.has("token")) { // it is a cookie by now
  shownAddress.searchParams.delete("token");
  history.replaceState(history.state, "", shownAddress);
}
