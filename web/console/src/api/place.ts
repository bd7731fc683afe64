/**
 * Where the console and its server are. The page's base is the folder of the console, whatever path a proxy puts it
 * under; the API is beside it.
 */

const meta = (name: string) => document.querySelector<HTMLMetaElement>(`meta[name="takeoff:${name}"]`)?.content;

/** The folder of the console, with a slash at its end. */
export const base = new URL('.', document.baseURI);
/** The folder of the server. */
export const server = import.meta.env.DEV ? new URL('/', location.href) : new URL('..', base);

export const graphiqlUrl = new URL('graphiql', server);
export const licencesUrl = new URL('assets/licenses.txt', base);

/** An address that the server gives, such as a link to content, as it is to be asked for from here. */
export const resolved = (address: string) => new URL(address.startsWith('/') ? address.slice(1) : address, server).href;

/** The address of a page of the console, by its path below the console's folder. */
export const pageAt = (path: string) => new URL(path.replace(/^\//, ''), base).href;

/** Whether the server wants a proof from everybody. */
export const wantsProof = meta('proof') === 'required';
/** The issuers at which people log in. */
export const logins: readonly { issuer: string; name: string }[] = JSON.parse(meta('logins') || '[]');
export const version = meta('version') ?? '';
