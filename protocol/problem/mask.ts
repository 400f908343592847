/**
 * Texts without the credentials of their addresses. Addresses reach logs, diffs and messages from many sides, in texts of
 * others too: what leaves this program passes here, whatever was done before.
 */

/**
 * A scheme with what stands for its slashes (URL takes `https:host` and `https:\host` for the same), userinfo up to the
 * last "@" of the host part, the host with its path, a query, a fragment. The userinfo is bounded: of many schemes in a
 * row each would else be searched for its "@" to the end of the text, which takes minutes for half a megabyte.
 */
const address =
  /\b(https?:[\\/]*|[a-z][a-z0-9+.-]{0,30}:\/\/)(?:[^\s"<>\\/?#]{0,4096}@)?([^\s"'`<>\\?#]*)(\?[^\s"'`<>\\#]*)?(#[^\s"'`<>\\]*)?/gi;

/** Userinfo goes, and so do query and fragment, which hold the signatures of pre-signed addresses. */
export const maskUrls = (text: string): string =>
  text.replace(
    address,
    (_all, scheme: string, rest: string, query?: string, fragment?: string) =>
      `${scheme}${rest}${query || fragment ? '?…' : ''}`,
  );

/** Without user, password, query and fragment: those may hold secrets, and URLs end in logs. */
export const printUrl = (url: string): string => {
  if (!URL.canParse(url)) return '(no valid URL)';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
};
