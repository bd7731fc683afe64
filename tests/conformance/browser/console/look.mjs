// What each page is held to, whatever it shows.

import assert from 'node:assert/strict';
import axe from 'axe-core';

export const widths = [1440, 1024, 390];
export const themes = ['light', 'dark'];
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

export async function shows(page, text, where) {
  const place = page.getByText(text).filter({ visible: true }).first();
  await place.waitFor().catch(async () => assert.fail(`${where} does not show "${text}": ${await page.innerText('body')}`));
}

// Of the page and of what scrolls in it.
export async function nothingLiesOutside(page, where) {
  const wider = await page.evaluate(() =>
    [document.documentElement, document.querySelector('main')]
      .filter((part) => part.scrollWidth > part.clientWidth)
      .map((part) => `${part.tagName} ${part.scrollWidth} in ${part.clientWidth}`));
  assert.deepEqual(wider, [], `${where}: wider than there is room`);
}

// axe runs by the protocol of the browser, as the policy of the page permits no other script.
export async function check(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: axe.source });
  const expression = `axe.run({ runOnly: ${JSON.stringify(rules)} }).then(({ violations }) =>
    JSON.stringify(violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => [html, failureSummary]) }))))`;
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  assert.equal(exceptionDetails, undefined);
  return { violations: JSON.parse(result.value) };
}
