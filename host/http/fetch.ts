/** node-fetch, for the two users of HTTP: downloads and the Kubernetes API. */
export { default as fetch, type Response } from 'node-fetch';
