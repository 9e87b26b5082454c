/* Where the page is: path and query, so that a link, a reload and the back button all lead to the same picture. */

function read() {
  const [, page = '', name = ''] = location.pathname.split('/');
  return {
    page: page || 'overview',
    name: decodeURIComponent(name),
    query: Object.fromEntries(new URLSearchParams(location.search)),
  };
}

class Route {
  at = $state.raw(read());
}

export const route = new Route();

addEventListener('popstate', () => {
  route.at = read();
});

/** Go to *address*, in the page; *replace* leaves no trace in the history. */
export function go(address, { replace = false } = {}) {
  if (address === location.pathname + location.search) return;
  const isOtherPage = address.split('?')[0] !== location.pathname;
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  route.at = read();
  if (isOtherPage) scrollTo(0, 0);
}

/** The same page with these fields of the query changed; empty ones are left out. */
export function withQuery(changes, { replace = true } = {}) {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '') query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  go(location.pathname + (text ? `?${text}` : ''), { replace });
}

export const brokerAddress = (name, asset) =>
  `/brokers/${encodeURIComponent(name)}${asset ? `?asset=${encodeURIComponent(asset)}` : ''}`;

/** Let plain clicks on our own links stay in the page; for a listener on the whole page. */
export function followLink(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = event.target.closest?.('a[href]');
  if (!link || link.target || link.origin !== location.origin || link.hasAttribute('download')) return;
  if (link.getAttribute('href').startsWith('#')) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
