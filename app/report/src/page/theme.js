"use strict";
(() => {
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search);
  const store = (value) => { try { localStorage.setItem("ascan-theme", value); } catch { /* files may have no storage */ } };
  const stored = () => { try { return localStorage.getItem("ascan-theme"); } catch { return null; } };
  const theme = asked.get("theme") || stored();
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    store(root.dataset.theme);
  });
})();
