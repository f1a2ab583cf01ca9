// Apply the saved theme before the first paint; a module would run too late.
"use strict";
const savedTheme = localStorage.getItem("slic-theme");
if (savedTheme) document.documentElement.dataset.theme = savedTheme;
