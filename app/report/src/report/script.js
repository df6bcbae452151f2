(() => {
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search);
  const show = (view) => { root.dataset.view = view; };
  for (const input of document.querySelectorAll("input[name=view]")) {
    input.addEventListener("change", () => show(input.value));
    if (input.value === asked.get("view")) { input.checked = true; show(input.value); }
  }

  const method = document.getElementById("method");
  if (method) {
    const by = (number) => { root.dataset.method = number; };
    method.addEventListener("change", () => by(method.value));
    if (asked.get("method")) { method.value = asked.get("method"); by(method.value); }
  }

  const body = document.querySelector("#table tbody");
  for (const button of document.querySelectorAll("#table th button")) {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const column = [...head.parentElement.children].indexOf(head);
      const rising = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const value = (row) => row.children[column].dataset.v;
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return rising ? order : -order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  }

  const open = () => {
    const slice = location.hash.startsWith("#slice-") && document.getElementById(location.hash.slice(1));
    if (slice) { slice.open = true; slice.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  open();
})();
