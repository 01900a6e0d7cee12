// Without a mouse: the skip link comes first, everything can be reached, and where the focus is can
// be seen.

import assert from "node:assert/strict";

export async function keyboard(stage, page) {
  await page.goto("/mail");
  await page.keyboard.press("Tab");
  assert.deepEqual(await focused(page), { name: "To the content", outlined: true, shown: true });
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");

  await page.goto("/mail");
  const names = [];
  for (let press = 0; press < 12; press += 1) {
    await page.keyboard.press("Tab");
    const { name, outlined, shown } = await focused(page);
    assert.ok(outlined && shown, `the focus on ${name} cannot be seen`);
    names.push(name);
  }
  const order = ["To the content", "Veilpost", "Extend", "Lock now", "Mail", "Search", "Views", "Audit"];
  assert.deepEqual(names.slice(0, order.length), order);
  // Down to a message, and into it.
  for (let press = 0; press < 8 && !(await onMessage(page)); press += 1) await page.keyboard.press("Tab");
  assert.ok(await onMessage(page), "messages are reached");
  await page.keyboard.press("Enter");
  await page.locator("article.letter").waitFor();
  stage.quiet(page, "the keyboard");
}

function focused(page) {
  return page.evaluate(() => {
    const element = document.activeElement;
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    return {
      name: element.textContent.trim(),
      outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
      shown: box.right > 0 && box.bottom > 0 && box.width > 0,
    };
  });
}

function onMessage(page) {
  return page.evaluate(() => document.activeElement.closest(".messages") !== null);
}
