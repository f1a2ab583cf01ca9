// Before anything is painted: the theme chosen earlier, if one was.
"use strict";
const chosenTheme = localStorage.getItem("slic-theme");
if (chosenTheme) document.documentElement.dataset.theme = chosenTheme;
