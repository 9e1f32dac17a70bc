"use strict";
// Draws the figures that the page carries as JSON, in the colours of the style sheet, and lets links leave the frame.
(() => {
  const style = () => getComputedStyle(document.documentElement);

  // "--champion" becomes the value of that variable: the same figure in light and in dark.
  function coloured(value, styles) {
    if (typeof value === "string") {
      return value.startsWith("--") ? styles.getPropertyValue(value).trim() : value;
    }
    if (Array.isArray(value)) {
      return value.map((item) => coloured(item, styles));
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, styles)]));
    }
    return value;
  }

  function themed(layout, styles) {
    const ink = styles.getPropertyValue("--ink").trim();
    const grid = styles.getPropertyValue("--line").trim();
    const axes = Object.keys(layout).filter((key) => /^[xy]axis/.test(key));
    const base = {
      font: { family: "inherit", size: 12, color: ink },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 56, r: 12, t: 28, b: 44 },
      legend: { orientation: "h", y: -0.14, yanchor: "top" },
      hoverlabel: { bgcolor: styles.getPropertyValue("--card").trim(), font: { color: ink } },
    };
    const lines = Object.fromEntries(
      axes.map((key) => [key, { gridcolor: grid, linecolor: grid, zerolinecolor: grid, automargin: true, ...layout[key] }]),
    );
    return { ...base, ...layout, ...lines };
  }

  // Names of reigns that would stand on each other on a narrow screen are left out.
  function readable(layout, width) {
    const names = layout.annotations || [];
    const at = names.map((name) => Date.parse(name.x));
    const pixels = (width - 70) / Math.max(1, Math.max(...at) - Math.min(...at));
    let last = -Infinity;
    const shown = names.filter((name, index) => {
      const apart = (at[index] - last) * pixels > 30;
      last = apart ? at[index] : last;
      return apart;
    });
    return { ...layout, annotations: shown };
  }

  function draw(figure) {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const place = figure.querySelector(".plot");
    const styles = style();
    place.textContent = "";
    const layout = themed(readable(coloured(spec.layout, styles), place.clientWidth), styles);
    return Plotly.react(place, coloured(spec.data, styles), layout, { responsive: true, displayModeBar: false });
  }

  function drawAll() {
    for (const figure of document.querySelectorAll("figure.chart")) {
      const place = figure.querySelector(".plot");
      if (typeof Plotly === "undefined") {
        place.textContent = "The chart cannot be drawn here. The table below has the same numbers.";
      } else {
        draw(figure).catch(() => {
          place.textContent = "The chart could not be drawn. The table below has the same numbers.";
        });
      }
    }
  }

  // Airflow shows the page in a frame that may not navigate its parent: the parent's own document follows the link.
  function leave(event) {
    const link = event.target.closest("a[data-leave]");
    if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) {
      return;
    }
    event.preventDefault();
    const parent = window.parent.document;
    const proxy = parent.createElement("a");
    proxy.href = link.href;
    if (link.origin !== window.location.origin) {
      proxy.target = "_blank";
      proxy.rel = "noopener";
    }
    parent.body.append(proxy);
    proxy.click();
    proxy.remove();
  }

  document.addEventListener("click", leave);
  window.addEventListener("load", drawAll);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
