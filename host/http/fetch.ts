/** node-fetch, for the two that speak HTTP: downloads and the Kubernetes API. */
export { default as fetch, type Response } from 'node-fetch';
