// Small comforts on top of pages that work without them.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    const before = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => (button.textContent = before), 2000);
  });
}
// A pay form is sent once, however often its button is pressed.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
// A page that waits for an answer asks quietly, and is shown anew only when the answer has come.
const waiting = document.querySelector("[data-look-again]");
if (waiting) {
  setInterval(async () => {
    try {
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const standing = page.querySelector("[data-standing]")?.dataset.standing;
      if (standing && standing !== waiting.dataset.standing) location.reload();
    } catch {
      // Nobody answered; the next look may be luckier.
    }
  }, waiting.dataset.lookAgain * 1000);
}
// Coming back by the browser's back button shows the form usable again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-once]")) delete form.dataset.sent;
});
