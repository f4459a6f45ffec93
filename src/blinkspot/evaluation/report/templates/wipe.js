for (const wipe of document.querySelectorAll(".wipe")) {
  const stage = wipe.querySelector(".stage");
  const slider = wipe.querySelector("input[type=range]");
  const figures = [...stage.querySelectorAll("figure")];
  const at = (percent) => {
    slider.value = percent;
    wipe.style.setProperty("--at", percent + "%");
    slider.setAttribute("aria-valuetext", Math.round(percent) + " % " + figures[0].dataset.title);
  };
  const choose = (name) => {
    for (const figure of figures.slice(1)) figure.classList.toggle("right", figure.dataset.name === name);
  };
  const chosen = wipe.querySelector("input[type=radio]:checked");
  figures[0].classList.add("left");
  choose(chosen ? chosen.value : figures[1].dataset.name);
  wipe.classList.add("live");
  slider.addEventListener("input", () => at(slider.value));
  for (const radio of wipe.querySelectorAll("input[type=radio]")) {
    radio.addEventListener("change", () => choose(radio.value));
  }
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    at(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width)));
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (event.buttons) follow(event);
  });
  stage.addEventListener("dragstart", (event) => event.preventDefault());
  at(50);
}
