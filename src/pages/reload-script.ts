/**
 * The inline script of each page. It shows a sentence and loads the page again when a stylesheet,
 * the main module or a module that it imports does not load, and when an error stops the page
 * before it has drawn anything, e.g. because its modules are of two versions. Browsers do not
 * repeat a failed import, and the page would stay blank. A failed preload alone has no effect.
 *
 * It waits 3 to 10 s, at random, so that the screens of a city do not return at once. It reloads
 * only when the server answers, because the error page of a browser or a proxy would not try again.
 */
export const reloadScript = `
let isIncomplete = false
addEventListener('error', ({ target }) => {
  if (isIncomplete || !isNeeded(target)) return
  isIncomplete = true
  const notice = element('main', '')
  notice.className = 'message'
  notice.append(element('h1', 'Not loaded'), element('p', 'The page was not loaded completely. It tries again in a few seconds.'))
  notice.lastChild.setAttribute('role', 'alert')
  const show = () => document.body.prepend(notice)
  document.body ? show() : addEventListener('DOMContentLoaded', show)
  retry()
}, true)
const isNeeded = target =>
  target === window
    ? document.querySelector('body > div:empty') !== null
    : target instanceof HTMLScriptElement || (target instanceof HTMLLinkElement && target.rel === 'stylesheet')
const element = (name, textContent) => Object.assign(document.createElement(name), { textContent })
const retry = () => setTimeout(async () => await isServed() ? location.reload() : retry(), 3_000 + Math.random() * 7_000)
const isServed = async () => {
  try {
    const options = { cache: 'no-cache', redirect: 'manual', signal: AbortSignal.timeout(10_000) }
    const { ok, type } = await fetch(location.href, options)
    return ok || type === 'opaqueredirect'
  } catch {
    return false
  }
}
`
