// Replaces the content of the page when it is out of date, unless a person uses it. Keeps the focus
// and what is open.
(() => {
  const root = document.documentElement;
  const pause = document.getElementById("pause");
  let paused = false;
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume updates" : "Pause updates";
  });
  const update = async () => {
    const main = document.querySelector("main");
    const busy = main.querySelector("form:focus-within") || !getSelection().isCollapsed;
    if (!paused && !document.hidden && !busy) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (answer.ok) {
          const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
          const focused = document.activeElement && document.activeElement.id;
          const open = [...main.querySelectorAll("details[open]")].map((d) => d.id);
          const left = [...main.querySelectorAll(".scroll")].map((s) => s.scrollLeft);
          main.replaceChildren(...fresh.querySelector("main").childNodes);
          open.forEach((id) => { const d = document.getElementById(id); if (d) d.open = true; });
          main.querySelectorAll(".scroll").forEach((s, i) => { s.scrollLeft = left[i] || 0; });
          if (focused) { const f = document.getElementById(focused); if (f) f.focus(); }
          document.getElementById("made").textContent = fresh.getElementById("made").textContent;
          root.dataset.refresh = fresh.documentElement.dataset.refresh;
        }
      } catch { /* the next try may reach the app again */ }
    }
    setTimeout(update, Number(root.dataset.refresh) || 30000);
  };
  setTimeout(update, Number(root.dataset.refresh) || 30000);
})();
