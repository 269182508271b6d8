"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const runs = data.runs;
  const page = d3.select("#report");
  const several = runs.length > 1;

  // What is known of a curve beside its name: title, unit, factor to that unit, and whether its axis begins at 0.
  const KNOWN = {
    loss: ["Loss", "", 1],
    lr: ["Learning rate", "", 1],
    grad_norm: ["Gradient norm", "before clipping", 1],
    weight_decay: ["Weight decay", "", 1],
    loss_scale: ["Loss scale", "", 1],
    skipped: ["Skipped steps", "so far", 1],
    images_per_s: ["Throughput", "images/s", 1, "zero"],
    seconds: ["Time of a step", "s", 1, "zero"],
    mfu: ["Model FLOPs utilisation", "%", 100, "zero"],
    "phase.data": ["Phase: data", "s of a step", 1, "zero"],
    "phase.forward": ["Phase: forward", "s of a step", 1, "zero"],
    "phase.backward": ["Phase: backward", "s of a step", 1, "zero"],
    "phase.reduce": ["Phase: gradients' sum", "s of a step", 1, "zero"],
    "phase.update": ["Phase: update", "s of a step", 1, "zero"],
    gpu_utilisation: ["GPU utilisation", "%, of rank 0's", 100, "zero"],
    gpu_power_w: ["GPU power", "W, of rank 0's", 1, "zero"],
    data_wait: ["Waiting for data", "% of a step", 100, "zero"],
    comm_exposed: ["Exposed communication", "% of a step", 100, "zero"],
    read_mb_per_s: ["Read by rank 0", "MB/s", 1, "zero"],
    decode_images_per_s: ["Decoded by a core", "images/s", 1, "zero"],
    queue_depth: ["Micro-batches ready", "of rank 0", 1, "zero"],
    memory_bytes: ["Memory of rank 0", "GiB", 1 / 1073741824, "zero"],
  };
  const SHARE_OF_STEP = ["data_wait", "comm_exposed"];
  const NO_CURVE = ["images"];
  const SCORES = { top1: ["Top-1", "%"], top5: ["Top-5", "%"], loss: ["Loss", ""] };
  const WIDTH = 560, HEIGHT = 220, MARGIN = { top: 8, right: 10, bottom: 24, left: 52 };

  // Few runs are told apart by hue; of many, the colour says how good each is.
  const FEW = 10, FEWER = 4;
  const place = new Map(data.ranking.map((run, nth) => [run, nth]));
  const colour = (i) => (runs.length <= FEW ? `var(--run${i})` : d3.interpolateCool((0.8 * place.get(i)) / (runs.length - 1)));
  const isNumber = (value) => value !== null && isFinite(value);

  function short(value) {
    if (!isNumber(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && size < 1e-3) return d3.format(".3~e")(value);
    if (size >= 1e6) return d3.format(".4~s")(value);
    return d3.format(size >= 1000 ? ",.0f" : ".4~r")(value);
  }

  function duration(seconds) {
    if (!isNumber(seconds)) return "–";
    if (seconds < 90) return `${d3.format(seconds < 10 ? ".1f" : ".0f")(seconds)} s`;
    if (seconds < 5400) return `${Math.floor(Math.round(seconds) / 60)} min ${d3.format("02")(Math.round(seconds) % 60)} s`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
    return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
  }

  function timeUnit(seconds) {
    if (seconds > 2 * 86400) return ["days", 86400];
    if (seconds > 2 * 3600) return ["hours", 3600];
    return seconds > 180 ? ["minutes", 60] : ["seconds", 1];
  }

  function scoreOf(run, name) {
    const last = run.evaluations[run.evaluations.length - 1];
    return last && isNumber(last.scores[name]) ? last.scores[name] : null;
  }

  const longest = d3.max(runs, (run) => run.seconds) || 0;
  const clock = timeUnit(longest);
  const AXES = {
    step: { label: "step", of: (steps) => steps.step, at: (one) => one.step },
    epoch: { label: "epoch", of: (steps) => steps.epoch, at: null },
    time: { label: clock[0], of: (steps) => steps.seconds.map((s) => s / clock[1]), at: (one) => one.seconds / clock[1] },
  };
  // An evaluation's epoch is that of its step.
  AXES.epoch.at = (one, run) => {
    const last = run.steps.step.length - 1;
    return last < 0 || !run.steps.step[last] ? null : (one.step * run.steps.epoch[last]) / run.steps.step[last];
  };

  const view = { axis: "step", zoom: null, hidden: new Set(), charts: [] };

  // ---- what the page begins with

  function header() {
    page.append("h1").text(several ? `${runs.length} runs` : runs[0].name);
    const places = several ? [] : [runs[0].folder, runs[0].begin && `begun ${runs[0].begin.slice(0, 16).replace("T", " ")} UTC`];
    page.append("p").attr("class", "quiet").text(places.filter(Boolean).join(" · "));
  }

  function facts(run) {
    const known = [
      ["state", run.state],
      ["steps", run.planned_steps ? `${short(run.step)} of ${short(run.planned_steps)}` : short(run.step)],
      ["epochs", d3.format(".2f")(run.epoch || 0)],
      ["loss", short(run.loss)],
      ["evaluated loss", short(scoreOf(run, "loss"))],
      ["top-1", isNumber(scoreOf(run, "top1")) ? `${d3.format(".2f")(scoreOf(run, "top1"))} %` : "–"],
      ["top-5", isNumber(scoreOf(run, "top5")) ? `${d3.format(".2f")(scoreOf(run, "top5"))} %` : "–"],
      ["images/s, median", short(run.images_per_s)],
      ["time", duration(run.seconds)],
      ["attempts", String(run.attempts.length)],
      ["skipped steps", short(run.skipped)],
    ];
    const list = page.append("dl").attr("class", "facts");
    for (const [name, value] of known.filter((one) => one[1] !== "–")) {
      const box = list.append("div");
      box.append("dt").text(name);
      box.append("dd").text(value);
    }
  }

  // A value of a setting; of a long number what matters.
  function setting(run, key) {
    const value = run.settings[key];
    if (value === undefined) return "–";
    if (value === "") return "none";
    return value.length > 9 && isFinite(Number(value)) ? short(Number(value)) : value;
  }

  function table(parent, heads, rows, textColumns) {
    const made = parent.append("div").attr("class", "scroll").append("table");
    const isText = (i) => textColumns.includes(i);
    made.append("thead").append("tr").selectAll("th").data(heads).enter().append("th")
      .attr("class", (_, i) => (isText(i) ? "text" : null)).text((head) => head);
    const lines = made.append("tbody").selectAll("tr").data(rows).enter().append("tr");
    lines.selectAll("td").data((row) => row).enter().append("td")
      .attr("class", (_, i) => (isText(i) ? "text" : null)).text((cell) => cell);
    return made;
  }

  function comparison() {
    const keys = data.differences.slice(0, 6);
    const heads = ["run", "state", ...keys, "steps", "loss", "eval loss", "top-1", "top-5", "images/s", "skipped", "attempts", "time"];
    const rows = data.ranking.map((i) => {
      const run = runs[i];
      const percent = (name) => (isNumber(scoreOf(run, name)) ? d3.format(".2f")(scoreOf(run, name)) : "–");
      return [run.name, run.state, ...keys.map((key) => setting(run, key)),
        run.planned_steps ? `${run.step} of ${run.planned_steps}` : run.step, short(run.loss), short(scoreOf(run, "loss")),
        percent("top1"), percent("top5"), short(run.images_per_s), run.skipped, run.attempts.length, duration(run.seconds)];
    });
    const made = table(page, heads, rows, [0, 1]);
    made.selectAll("tbody tr").attr("class", (_, i) => (i === 0 ? "best" : null));
    made.selectAll("tbody tr td:first-child").each(function (_, i) {
      d3.select(this).insert("span", () => this.firstChild).attr("class", "swatch").style("background", colour(data.ranking[i]));
    });
    page.append("p").attr("class", "note").text(
      `Best first, by ${data.ranked_by === "top1" ? "top-1 of the last evaluation" : "loss, mean of the last 20 steps"}.`);
  }

  // ---- curves

  // The points of one curve of a run, in the curve's unit.
  function pointsOf(run, name, factor) {
    const curve = run.steps.curves[name];
    const x = AXES[view.axis].of(run.steps);
    const per = SHARE_OF_STEP.includes(name) ? run.steps.curves.seconds : null;
    const value = (list, i) => {
      if (!list) return null;
      const of = per ? (per.mean ? per.mean[i] : per.constant) : 1;
      return isNumber(list[i]) && of ? (list[i] * factor) / of : null;
    };
    if (curve.mean === undefined) return x.map((at) => ({ x: at, y: isNumber(curve.constant) ? curve.constant * factor : null }));
    return x.map((at, i) => ({ x: at, y: value(curve.mean, i), low: value(curve.least, i), high: value(curve.most, i) }));
  }

  function varies(name) {
    const seen = runs.map((run) => run.steps.curves[name]).filter(Boolean);
    return seen.some((curve) => curve.mean) || new Set(seen.map((curve) => curve.constant)).size > 1;
  }

  function curveSpecs() {
    const names = new Set();
    runs.forEach((run) => Object.keys(run.steps.curves).forEach((name) => names.add(name)));
    NO_CURVE.forEach((name) => names.delete(name));
    const order = Object.keys(KNOWN);
    const rank = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
    const sorted = [...names].sort((a, b) => rank(a) - rank(b) || d3.ascending(a, b));
    return sorted.map((name) => {
      const [title, unit, factor, axis] = KNOWN[name] || [name, "", 1];
      return { name, title, unit, factor, fromZero: axis === "zero", scores: name === "loss" && runs.length <= FEWER ? ["loss"] : [] };
    });
  }

  function scoreSpecs() {
    const names = new Set();
    runs.forEach((run) => run.evaluations.forEach((one) => Object.keys(one.scores).forEach((name) => names.add(name))));
    if (runs.length <= FEWER) names.delete("loss");
    const accuracy = (runs.length <= FEWER ? ["top1", "top5"] : ["top1"]).filter((name) => names.has(name));
    const specs = [];
    if (accuracy.length) specs.push({ title: "Accuracy", unit: accuracy.length > 1 ? "%, top-1; dashed: top-5" : "%, top-1",
      scores: accuracy });
    for (const name of names) {
      if (!accuracy.includes(name)) specs.push({ title: (SCORES[name] || [name])[0], unit: name === "top5" ? "%" : "evaluated", scores: [name] });
    }
    return specs;
  }

  function seriesOf(spec) {
    const series = [];
    runs.forEach((run, i) => {
      if (view.hidden.has(i)) return;
      if (spec.name && run.steps.curves[spec.name])
        series.push({ run: i, points: pointsOf(run, spec.name, spec.factor), label: several ? run.name : "" });
      spec.scores.forEach((name, nth) => {
        const points = run.evaluations.map((one) => ({ x: AXES[view.axis].at(one, run), y: one.scores[name] }))
          .filter((point) => isNumber(point.x) && isNumber(point.y));
        const what = spec.name ? "evaluated" : (SCORES[name] || [name])[0];
        if (points.length)
          series.push({ run: i, points, dots: points.length < 60, second: nth > 0 || Boolean(spec.name), label: several ? `${run.name} ${what}` : what });
      });
    });
    return series;
  }

  function yScale(spec, series, range) {
    const [from, to] = view.zoom || [-Infinity, Infinity];
    const values = [];
    series.forEach((one) => one.points.forEach((p) => { if (isNumber(p.y) && p.x >= from && p.x <= to) values.push(p.y); }));
    let [low, high] = values.length ? d3.extent(values) : [0, 1];
    if (low > 0 && high / low > 100 && !spec.fromZero) return d3.scaleLog().domain([low, high]).range(range).nice();
    if (spec.fromZero) low = Math.min(0, low);
    if (low === high) { high += Math.abs(high) * 0.1 || 1; low -= spec.fromZero ? 0 : Math.abs(low) * 0.1 || 1; }
    return d3.scaleLinear().domain([low, high]).range(range).nice(5);
  }

  // On a logarithmic axis whole powers, every so many.
  function yTicks(y) {
    if (!y.base) return y.ticks(5);
    const powers = y.ticks(100).filter((value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9);
    const each = Math.ceil(powers.length / 6);
    return powers.filter((_, i) => i % each === 0);
  }

  function xDomain() {
    if (view.zoom) return view.zoom;
    const ends = [];
    runs.forEach((run, i) => { if (!view.hidden.has(i)) ends.push(...d3.extent(AXES[view.axis].of(run.steps)).filter(isNumber)); });
    return ends.length ? [view.axis === "step" && d3.min(ends) < 2 ? 0 : d3.min(ends), d3.max(ends)] : [0, 1];
  }

  function nearest(points, x) {
    const known = points.filter((p) => isNumber(p.y));
    if (!known.length) return null;
    const at = d3.bisector((p) => p.x).left(known, x);
    const before = known[Math.max(0, at - 1)], after = known[Math.min(known.length - 1, at)];
    return x - before.x < after.x - x ? before : after;
  }

  const MARKED = { rollback: "", failed: "", skipped: "", slow_rank: "", damaged_image: "calm", stopped: "calm", begin: "calm" };

  function marks(plot, x, height) {
    const seen = [];
    runs.forEach((run, i) => run.events.forEach((event) => {
      if (view.hidden.has(i) || !(event.kind in MARKED) || (event.kind === "begin" && event.step === 0)) return;
      const at = AXES[view.axis].at({ step: event.step, seconds: event.seconds }, run);
      if (isNumber(at) && at >= x.domain()[0] && at <= x.domain()[1]) seen.push([at, event, run]);
    }));
    plot.selectAll(".mark").data(seen.slice(0, 400)).enter().append("line").attr("class", (one) => `mark ${MARKED[one[1].kind]}`)
      .attr("x1", (one) => x(one[0])).attr("x2", (one) => x(one[0])).attr("y1", height).attr("y2", height - 7)
      .append("title").text((one) => `${several ? one[2].name + ", " : ""}step ${one[1].step}: ${one[1].text}`);
  }

  function drawCurves(plot, series, x, y) {
    const line = d3.line().defined((p) => isNumber(p.y)).x((p) => x(p.x)).y((p) => y(p.y));
    const area = d3.area().defined((p) => isNumber(p.low) && (y.domain()[0] > 0 ? p.low > 0 : true))
      .x((p) => x(p.x)).y0((p) => y(p.low)).y1((p) => y(p.high));
    series.forEach((one) => {
      if (one.points.some((p) => isNumber(p.low)) && series.length <= 6)
        plot.append("path").attr("class", "spread").attr("d", area(one.points)).style("fill", colour(one.run));
      plot.append("path").attr("class", one.second ? "curve second" : "curve").attr("d", line(one.points)).style("stroke", colour(one.run));
      if (one.dots)
        plot.selectAll(null).data(one.points).enter().append("circle").attr("cx", (p) => x(p.x)).attr("cy", (p) => y(p.y)).attr("r", 2.4)
          .style("fill", colour(one.run));
    });
  }

  function draw(chart, number) {
    const width = WIDTH - MARGIN.left - MARGIN.right, height = HEIGHT - MARGIN.top - MARGIN.bottom;
    const series = seriesOf(chart.spec);
    const x = d3.scaleLinear().domain(xDomain()).range([0, width]);
    const y = yScale(chart.spec, series, [height, 0]);
    chart.svg.selectAll("*").remove();
    const clip = `clip${number}`;
    chart.svg.append("clipPath").attr("id", clip).append("rect").attr("width", width).attr("height", height);
    const root = chart.svg.append("g").attr("transform", `translate(${MARGIN.left},${MARGIN.top})`);
    root.append("g").attr("class", "axis y").call(d3.axisLeft(y).tickValues(yTicks(y)).tickSize(-width).tickPadding(8).tickFormat(short));
    root.append("g").attr("class", "axis x").attr("transform", `translate(0,${height})`)
      .call(d3.axisBottom(x).ticks(6).tickSize(0).tickPadding(8).tickFormat((value) => short(value)));
    const plot = root.append("g").attr("clip-path", `url(#${clip})`);
    drawCurves(plot, series, x, y);
    marks(plot, x, height);
    const cross = root.append("line").attr("class", "cross").attr("y2", height).style("display", "none");
    chart.show = (at) => {
      if (at === null || at < x.domain()[0] || at > x.domain()[1]) { cross.style("display", "none"); chart.now.text(""); return; }
      cross.style("display", null).attr("x1", x(at)).attr("x2", x(at));
      const told = series.map((one) => [one, nearest(one.points, at)]).filter((pair) => pair[1]);
      const words = told.slice(0, 4).map(([one, p]) => `${one.label} ${short(p.y)}`.trim());
      chart.now.text(`${AXES[view.axis].label} ${short(told.length ? told[0][1].x : at)}:  ${words.join("   ")}${told.length > 4 ? " …" : ""}`);
    };
    const brush = d3.brushX().extent([[0, 0], [width, height]]).on("end", () => {
      if (!d3.event.selection || !d3.event.sourceEvent) return;
      view.zoom = d3.event.selection.map(x.invert);
      drawAll();
    });
    const over = root.append("g").attr("class", "brush").call(brush);
    over.on("mousemove", () => { const at = x.invert(d3.mouse(root.node())[0]); view.charts.forEach((one) => one.show(at)); })
      .on("mouseleave", () => view.charts.forEach((one) => one.show(null)))
      .on("dblclick", () => { view.zoom = null; drawAll(); });
  }

  function drawAll() {
    view.charts.forEach(draw);
    d3.selectAll(".choice.axis-choice button").attr("aria-pressed", function () { return String(this.dataset.axis === view.axis); });
    d3.select("#whole").style("visibility", view.zoom ? "visible" : "hidden");
  }

  function controls() {
    const bar = page.append("div").attr("class", "controls");
    const axes = bar.append("div").attr("class", "choice axis-choice");
    for (const name of Object.keys(AXES)) {
      axes.append("button").attr("data-axis", name).text(`by ${name}`).on("click", () => { view.axis = name; view.zoom = null; drawAll(); });
    }
    if (several) {
      const legend = bar.append("div").attr("class", "legend");
      data.ranking.forEach((i) => {
        const run = runs[i];
        const button = legend.append("button").attr("aria-pressed", "true");
        button.append("span").attr("class", "swatch").style("background", colour(i));
        button.append("span").text(run.name);
        button.on("click", () => {
          if (!view.hidden.delete(i)) view.hidden.add(i);
          button.attr("aria-pressed", String(!view.hidden.has(i)));
          drawAll();
        });
      });
    }
    bar.append("span").attr("class", "quiet choice").text("drag to zoom");
    bar.append("button").attr("id", "whole").attr("class", "choice").text("whole run").on("click", () => { view.zoom = null; drawAll(); });
  }

  function curves() {
    const all = curveSpecs();
    const shown = all.filter((spec) => varies(spec.name));
    const first = shown.findIndex((spec) => spec.name !== "loss");
    shown.splice(first < 0 ? shown.length : first, 0, ...scoreSpecs());
    if (!shown.length) return;
    page.append("h2").text("Curves");
    controls();
    const grid = page.append("div").attr("class", "charts");
    for (const spec of shown) {
      const figure = grid.append("figure");
      const caption = figure.append("figcaption");
      const title = caption.append("h3").text(`${spec.title} `);
      title.append("span").attr("class", "unit").text(spec.unit);
      if (spec.name === "loss" && spec.scores.length && runs.some((run) => run.evaluations.length)) title.select(".unit").text("of training; dashed: evaluated");
      const now = caption.append("span").attr("class", "now");
      const svg = figure.append("svg").attr("viewBox", `0 0 ${WIDTH} ${HEIGHT}`).attr("role", "img").attr("aria-label", spec.title);
      view.charts.push({ spec, svg, now, show: () => {} });
    }
    const still = all.filter((spec) => !varies(spec.name)).map((spec) => {
      const curve = runs.map((run) => run.steps.curves[spec.name]).find(Boolean);
      return isNumber(curve.constant) ? `${spec.title.toLowerCase()} ${short(curve.constant * spec.factor)}${spec.unit.startsWith("%") ? " %" : ""}` : null;
    }).filter(Boolean);
    const thinned = runs.some((run) => Object.values(run.steps.curves).some((curve) => curve.least));
    const notes = [];
    if (thinned) notes.push("A point is the mean of neighbouring steps, the band their least and most.");
    if (still.length) notes.push(`Never changed: ${still.join(", ")}.`);
    if (notes.length) page.append("p").attr("class", "note").text(notes.join(" "));
    drawAll();
  }

  // ---- attempts, events

  const HOW = { finished: "var(--run2)", running: "var(--run0)", stopped: "var(--run7)", failed: "var(--run3)", lost: "var(--run1)" };
  const HOW_WORDS = { finished: "finished", running: "running", stopped: "preempted: saved and stopped", failed: "failed", lost: "ended without a word" };

  function attempts() {
    const told = runs.filter((run) => run.attempts.length);
    if (!told.length) return;
    page.append("h2").text("Attempts and world sizes");
    const left = several ? 190 : 0, row = 44, width = 1150, height = told.length * row + 26;
    const svg = page.append("figure").append("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("role", "img").attr("aria-label", "attempts over time");
    const x = d3.scaleLinear().domain([0, d3.max(told, (run) => d3.max(run.attempts, (one) => one.end)) / clock[1] || 1]).range([left, width - 10]);
    const most = d3.max(told, (run) => d3.max(run.attempts, (one) => one.world || 1));
    const tall = d3.scaleLog().base(2).domain([1, Math.max(2, most)]).range([10, 28]);
    svg.append("g").attr("class", "axis x").attr("transform", `translate(0,${height - 22})`)
      .call(d3.axisBottom(x).ticks(8).tickSize(0).tickPadding(8).tickFormat((value) => `${short(value)}`));
    told.forEach((run, i) => {
      const lane = svg.append("g").attr("class", "lane").attr("transform", `translate(0,${i * row})`);
      if (several) lane.append("text").attr("y", row - 12).text(run.name.length > 28 ? `${run.name.slice(0, 27)}…` : run.name);
      run.attempts.forEach((one) => {
        const from = x(one.begin / clock[1]), to = Math.max(x(one.end / clock[1]), from + 2), high = tall(one.world || 1);
        const words = one.world ? `${one.world} rank${one.world > 1 ? "s" : ""}` : `attempt ${one.number}`;
        lane.append("rect").attr("x", from).attr("width", Math.max(1, to - from - 1)).attr("y", row - 6 - high).attr("height", high).attr("rx", 2)
          .style("fill", HOW[one.how] || "var(--run7)").append("title")
          .text(`attempt ${one.number}: ${words}${one.nodes ? ` on ${one.nodes} node${one.nodes > 1 ? "s" : ""}` : ""}, steps ${one.first_step} to ${one.last_step}, ${HOW_WORDS[one.how] || one.how}`);
        if (to - from > 8 * words.length) lane.append("text").attr("x", from + 5).attr("y", row - 10).attr("class", high > 15 ? "inside" : "").attr("dy", high > 15 ? 0 : -high)
          .text(words);
      });
    });
    const used = [...new Set([].concat(...told.map((run) => run.attempts.map((one) => one.how))))];
    const legend = page.append("p").attr("class", "note legend");
    used.forEach((how) => {
      const item = legend.append("span").style("margin-right", "16px");
      item.append("span").attr("class", "swatch").style("background", HOW[how] || "var(--run7)");
      item.append("span").text(HOW_WORDS[how] || how);
    });
    legend.append("span").text(`height: ranks; ${clock[0]} of wall time since the run began`);
  }

  const EVENT_WORDS = { begin: "begins", stopped: "preempted", failed: "failed", finished: "finished", rollback: "rollback", skipped: "skipped step",
    slow_rank: "slow rank", damaged_image: "damaged image", damaged_checkpoint: "damaged checkpoint", changed: "changed setting",
    save_failed: "not saved", saved: "saved" };
  const BAD = ["failed", "rollback", "save_failed", "damaged_checkpoint", "slow_rank"];

  function events() {
    const all = [];
    runs.forEach((run) => run.events.forEach((event) => all.push([run, event])));
    const told = all.filter((one) => one[1].kind !== "saved");
    if (!all.length) return;
    page.append("h2").text("Events");
    const saved = all.length - told.length;
    const shown = told.slice(0, 300);
    const made = table(page, [...(several ? ["run"] : []), "time, UTC", "attempt", "step", "event", ""],
      shown.map(([run, event]) => [...(several ? [run.name] : []), event.time.slice(0, 19).replace("T", " "), event.attempt,
        event.step === null ? "–" : event.step, EVENT_WORDS[event.kind] || event.kind, event.text]),
      several ? [0, 1, 4, 5] : [0, 3, 4]);
    made.selectAll("tbody tr td:last-child").attr("class", "text wide");
    made.selectAll("tbody tr td:nth-last-child(2)").attr("class", (_, i) => "text").each(function (_, i) {
      d3.select(this).classed("bad", BAD.includes(shown[i][1].kind));
    });
    const notes = [];
    if (told.length > shown.length) notes.push(`${told.length - shown.length} more are in --format json.`);
    if (saved) notes.push(`${saved} checkpoint${saved > 1 ? "s were" : " was"} saved.`);
    page.append("p").attr("class", "note").text(notes.join(" "));
  }

  // ---- sweeps

  // 1, 2 or 5 times a power of ten.
  const isRound = (value) => ["1", "2", "5"].includes(d3.format(".1e")(value)[0]) && d3.format(".1e")(value)[2] === "0";

  function parallel() {
    const keys = data.differences.slice(0, 8);
    if (runs.length < 3 || !keys.length) return;
    const result = (run) => (data.ranked_by === "top1" ? scoreOf(run, "top1") : run.loss);
    page.append("h2").text("What the settings did");
    const width = 1150, height = 300, top = 34, bottom = 12;
    const titles = [...keys, data.ranked_by === "top1" ? "top-1, %" : "loss"];
    const svg = page.append("figure").append("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("role", "img").attr("aria-label", "settings and results");
    const x = d3.scalePoint().domain(d3.range(titles.length)).range([60, width - 90]);
    const range = [height - bottom, top];
    const scales = titles.map((title, i) => {
      if (i === keys.length) {
        const known = runs.map(result).filter(isNumber);
        return d3.scaleLinear().domain(data.ranked_by === "top1" ? d3.extent(known) : d3.extent(known).reverse()).range(range).nice(5);
      }
      const values = runs.map((run) => run.settings[title]);
      const numbers = values.map(Number);
      if (numbers.every(isFinite) && values.every((value) => value !== undefined && value !== "")) {
        const [low, high] = d3.extent(numbers);
        return (low > 0 && high / low >= 10 ? d3.scaleLog() : d3.scaleLinear()).domain([low, high]).range(range);
      }
      return d3.scalePoint().domain([...new Set(values.map((value) => (value === undefined ? "–" : value)))].sort()).range(range).padding(0.2);
    });
    const at = (run, i) => {
      const raw = i === keys.length ? result(run) : run.settings[titles[i]];
      const scale = scales[i];
      if (scale.step) return scale(raw === undefined ? "–" : raw);
      return raw === null ? range[0] : scale(Number(raw));
    };
    const drawn = data.ranking.slice().reverse().filter((i) => isNumber(result(runs[i])));
    svg.selectAll(".curve").data(drawn).enter().append("path").attr("class", "curve")
      .attr("d", (i) => d3.line().curve(d3.curveMonotoneX)(titles.map((_, k) => [x(k), at(runs[i], k)])))
      .style("stroke", colour).style("stroke-width", (i) => (place.get(i) === 0 ? 3.2 : 1.4)).style("opacity", (i) => (place.get(i) === 0 ? 1 : 0.75))
      .append("title").text((i) => `${runs[i].name}: ${short(result(runs[i]))}`);
    titles.forEach((title, i) => {
      const axis = svg.append("g").attr("class", "axis halo").attr("transform", `translate(${x(i)},0)`);
      const drawnAxis = d3.axisLeft(scales[i]).tickSize(4);
      if (!scales[i].step) {
        const values = i < keys.length ? [...new Set(runs.map((run) => Number(run.settings[title])))] : [];
        const few = values.length > 0 && values.length <= 6;
        drawnAxis.tickValues(few ? values : scales[i].base ? scales[i].ticks(20).filter(isRound) : scales[i].ticks(5));
        drawnAxis.tickFormat((value) => short(value));
      }
      axis.call(drawnAxis);
      axis.append("text").attr("y", 14).attr("text-anchor", "middle").style("fill", "var(--ink)").style("font-weight", 600).text(title);
    });
    const unknown = runs.length - drawn.length;
    const best = runs[data.ranking[0]];
    page.append("p").attr("class", "note").text(`Each line is a run; the bold one is the best: ${best.name}, ${data.ranked_by === "top1" ? `top-1 ${short(result(best))} %` : `loss ${short(result(best))}`}.` +
      (unknown ? ` ${unknown} without a result ${unknown > 1 ? "are" : "is"} not drawn.` : "") +
      (data.differences.length > keys.length ? ` ${data.differences.length - keys.length} more settings differ.` : ""));
  }

  // ---- evaluation

  function classTable(run) {
    const classes = run.evaluation.classes.slice().sort((a, b) => a.top1 - b.top1);
    const fill = (parent, rows) => {
      const made = table(parent, ["class", "images", "top-1, %", "", "top-5, %"],
        rows.map((one) => [one.name, one.images, d3.format(".2f")(one.top1), "", d3.format(".2f")(one.top5)]), [0, 3]);
      made.selectAll("tbody tr td:nth-child(4)").attr("class", "text bars").append("span").attr("class", "bar")
        .style("width", (_, i) => "0px");
      made.selectAll("tbody tr .bar").each(function (_, i) { d3.select(this).style("width", `${Math.max(1, rows[i].top1 * 1.6)}px`); });
    };
    const few = 25;
    page.append("p").attr("class", "quiet").text(classes.length > few ? `The ${few} classes with the least top-1, of ${classes.length}:` : "Least top-1 first:");
    fill(page, classes.slice(0, few));
    if (classes.length > few) {
      const more = page.append("details");
      more.append("summary").text(`the other ${classes.length - few} classes`);
      fill(more, classes.slice(few));
    }
  }

  // A row a class; how strong a cell is: the share of the class's images, its root, so that few are seen.
  function matrix(classes, cells) {
    const name = (k) => (classes[k].name.length > 22 ? `${classes[k].name.slice(0, 21)}…` : classes[k].name);
    const longest = d3.max(classes, (_, k) => name(k).length);
    const size = Math.max(15, Math.min(30, 660 / classes.length)), left = 14 + 6.5 * longest, top = 18 + 5 * longest;
    const width = left + classes.length * size + 60, height = top + classes.length * size + 4;
    const svg = page.append("figure").append("svg").attr("viewBox", `0 0 ${width} ${height}`).style("width", `${width}px`).style("max-width", "100%")
      .attr("role", "img").attr("aria-label", "confusion of classes");
    classes.forEach((_, k) => {
      const at = (k + 0.5) * size;
      svg.append("text").attr("x", left - 8).attr("y", top + at + 4).attr("text-anchor", "end").text(name(k));
      svg.append("text").attr("transform", `translate(${left + at + 2},${top - 6}) rotate(-48)`).text(name(k));
    });
    const cell = svg.selectAll(".cell").data(cells).enter().append("g").attr("class", "cell")
      .attr("transform", ([label, taken]) => `translate(${left + taken * size},${top + label * size})`);
    cell.append("rect").attr("width", size - 1).attr("height", size - 1)
      .style("fill", ([label, taken]) => (label === taken ? "var(--run0)" : "var(--bad)"))
      .style("opacity", ([label, , images]) => Math.sqrt(images / classes[label].images))
      .append("title").text(([label, taken, images]) => `${images} of ${classes[label].images} images of ${classes[label].name}: ${classes[taken].name}`);
    if (size > 24) cell.append("text").attr("x", (size - 1) / 2).attr("y", size / 2 + 3).attr("text-anchor", "middle").text((one) => short(one[2]));
    svg.append("rect").attr("class", "frame").attr("x", left - 0.5).attr("y", top - 0.5).attr("width", classes.length * size).attr("height", classes.length * size);
  }

  function confusion(evaluation) {
    const most = 44, few = 15;
    const { classes, confusion: cells } = evaluation;
    page.append("h3").attr("class", "part").text("What classes were taken for");
    if (classes.length <= most) {
      matrix(classes, cells);
      page.append("p").attr("class", "note").text("A row is a class, a column what its images were taken for.");
    }
    const wrong = cells.filter(([label, taken]) => label !== taken).sort((a, b) => b[2] - a[2]);
    if (!wrong.length) return;
    page.append("p").attr("class", "quiet").text("The most frequent mistakes:");
    table(page, ["class", "taken for", "images", "of the class, %"],
      wrong.slice(0, few).map(([label, taken, images]) =>
        [classes[label].name, classes[taken].name, images, d3.format(".2f")((100 * images) / classes[label].images)]), [0, 1]);
  }

  function evaluations() {
    for (const run of runs) {
      if (!run.evaluation) continue;
      const one = run.evaluation;
      page.append("h2").text(several ? `Evaluation of ${run.name}` : "Evaluation");
      const scores = Object.entries(one.scores).map(([name, value]) => {
        const [title, unit] = SCORES[name] || [name, ""];
        return `${title} ${unit ? d3.format(".2f")(value) : short(value)}${unit && ` ${unit}`}`;
      });
      page.append("p").text(`${scores.join(", ")} of ${d3.format(",")(one.images)} images`);
      page.append("p").attr("class", "quiet").text([one.weights, one.data && `on ${one.data}`, one.date].filter(Boolean).join(" · "));
      if (one.classes.length) classTable(run);
      if (one.confusion.length) confusion(one);
    }
  }

  // ---- pictures

  // Small images are shown larger, pixel by pixel.
  function picture(one, tile, heads) {
    const zoom = Math.max(1, Math.round(112 / tile));
    const box = page.append("figure").attr("class", "picture scroll");
    if (heads) {
      const line = box.append("div").attr("class", "columns").style("width", `${one.width * zoom}px`);
      line.selectAll("span").data(one.columns).enter().append("span").text((name) => name);
    }
    if (one.png)
      box.append("img").attr("src", `data:image/png;base64,${one.png}`).attr("alt", `${one.kind} of ${one.title}`)
        .attr("width", one.width * zoom).attr("height", one.height * zoom).style("image-rendering", zoom > 1 ? "pixelated" : null);
  }

  function pictures() {
    for (const run of data.ranking.map((i) => runs[i])) {
      const looks = run.pictures.filter((one) => one.kind === "attention");
      if (looks.length) {
        page.append("h2").text(several ? `Where ${run.name} looks` : "Where it looks");
        page.append("p").attr("class", "note").text(`Attention after step ${looks[0].step}; each map from its least weight, dark, to its largest.`);
      }
      looks.forEach((one, i) => {
        page.append("p").attr("class", "part").text(one.title).append("span").attr("class", "quiet").text(`  ${one.text}`);
        picture(one, one.height, i === 0 || one.columns.join() !== looks[i - 1].columns.join());
      });
      for (const one of run.pictures.filter((other) => other.kind === "preview")) {
        page.append("h2").text(several ? `What ${run.name} sees` : "What it sees");
        page.append("p").attr("class", "note").text(`${one.title}: ${one.text}, augmented as in training.`);
        picture(one, one.width < 560 ? 56 : 112);
      }
    }
  }

  // ---- settings

  function settings() {
    const keys = [...new Set([].concat(...runs.map((run) => Object.keys(run.settings))))].sort();
    if (!keys.length) return;
    page.append("h2").text("Settings");
    const heads = ["setting", ...runs.map((run) => run.name)];
    const all = heads.map((_, i) => i);
    if (several && data.differences.length)
      table(page, heads, data.differences.map((key) => [key, ...runs.map((run) => setting(run, key))]), all);
    if (several && !data.differences.length) page.append("p").text("All runs have the same settings.");
    const shown = several ? runs.slice(0, 1) : runs;
    const alike = keys.filter((key) => !data.differences.includes(key));
    const more = page.append("details");
    more.append("summary").text(several ? `${alike.length} settings that are alike` : `${keys.length} settings`);
    table(more, ["setting", "value"], (several ? alike : keys).map((key) => [key, setting(shown[0], key)]), [0, 1]);
  }

  header();
  if (several) comparison(); else facts(runs[0]);
  parallel();
  curves();
  attempts();
  events();
  evaluations();
  pictures();
  settings();
  page.append("footer").text("Made by vitrail report. Curves are drawn by D3, copyright Mike Bostock, BSD-3-Clause licence.");
  document.body.setAttribute("data-drawn", "true");
})();
