/** `crio status`: asks a running daemon over its socket. */
import { loadService, openSocket } from '../../../host/cri/cri.ts';
import { descriptor } from './messages.ts';

export const askConfig = async (socketPath: string): Promise<string> => {
  const socket = openSocket(socketPath, { deadlineMs: 10_000 });
  try {
    const service = loadService(descriptor, 'runtime.v1.StandIn');
    return (await socket.call<{ text: string }>(service, 'Config', {})).text;
  } finally {
    socket.close();
  }
};
