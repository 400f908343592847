/** What machine this is. The only file that imports systeminformation, and only when asked: it is large. */
export type HostFacts = {
  readonly system: string;
  readonly kernel: string;
  /** File systems that are nearly full. */
  readonly full: readonly { readonly mount: string; readonly percent: number }[];
};

const fullPercent = 95;

export const hostFacts = async (): Promise<HostFacts> => {
  const { osInfo, fsSize } = await import('systeminformation');
  const [os, disks] = await Promise.all([osInfo(), fsSize()]);
  return {
    system: `${os.distro} ${os.release}`.trim(),
    kernel: os.kernel,
    full: disks
      .filter((disk) => disk.use >= fullPercent && disk.rw)
      .map((disk) => ({ mount: disk.mount, percent: Math.round(disk.use) })),
  };
};
