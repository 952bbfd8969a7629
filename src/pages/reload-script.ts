/**
 * The inline script of each page. When a stylesheet, the main module or a module that it imports
 * does not load, it shows a sentence and loads the page again after 3 to 10 s, at random, so that
 * the screens of a city do not return at once. Browsers do not repeat a failed import, and the page
 * would stay blank. A failed preload has no effect: the import repeats it.
 */
export const reloadScript = `
addEventListener('error', ({ target }) => {
  const isNeeded = target instanceof HTMLScriptElement || (target instanceof HTMLLinkElement && target.rel === 'stylesheet')
  if (!isNeeded || document.querySelector('#incomplete')) return
  const notice = document.createElement('main')
  notice.id = 'incomplete'
  notice.className = 'message'
  notice.append(element('h1', 'Not loaded'), element('p', 'The page was not loaded completely. It tries again in a few seconds.'))
  notice.lastChild.setAttribute('role', 'alert')
  const show = () => document.body.prepend(notice)
  document.body ? show() : addEventListener('DOMContentLoaded', show)
  setTimeout(() => location.reload(), 3_000 + Math.random() * 7_000)
}, true)
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text })
`
