/** Kubeconfig files as installers write them. JSON is YAML, but people and programs expect to see YAML here. */
import type { Certificate } from './pki.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const config = (server: string, ca: string, user: string): string => `apiVersion: v1
kind: Config
clusters:
- name: kubernetes
  cluster:
    server: ${server}
    certificate-authority-data: ${base64(ca)}
users:
- name: user
  user:
${user.replace(/^(?=.)/gm, '    ')}contexts:
- name: user@kubernetes
  context:
    cluster: kubernetes
    user: user
current-context: user@kubernetes
`;

/** With the certificate in it. */
export const kubeconfig = (server: string, ca: string, { certificate, key }: Certificate): string =>
  config(server, ca, `client-certificate-data: ${base64(certificate)}\nclient-key-data: ${base64(key)}\n`);

/** A kubelet's: the certificate and its key are in one file that is replaced as time goes by. */
export const kubeletKubeconfig = (server: string, ca: string, file: string): string =>
  config(server, ca, `client-certificate: ${file}\nclient-key: ${file}\n`);

/** A service account's. */
export const tokenKubeconfig = (server: string, ca: string, token: string): string =>
  config(server, ca, `token: ${token}\n`);
