/** Sigstore's own verifier. Loaded only where a policy asks for a signature: a service without one keeps none of it in memory. */
export { type Bundle, bundleFromJSON } from '@sigstore/bundle';
export { HashAlgorithm, TrustedRoot } from '@sigstore/protobuf-specs';
export {
  type SignedEntity,
  type Signer,
  toSignedEntity,
  toTrustMaterial,
  type TrustMaterial,
  VerificationError,
  Verifier,
} from '@sigstore/verify';
