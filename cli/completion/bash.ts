/** The completion for bash, which needs no package of bash-completion. */
import { handlerFolder, names, optionsOf, places, topOptions, type Values, withValue } from './words.ts';

const call = (values: Values): string => {
  if (values.kind === 'words') return `words ${values.words.map(({ word }) => word).join(' ')}`;
  return values.kind;
};

const longs = (options: readonly { readonly long: string }[]): string =>
  options.map(({ long }) => long).join(' ');

export const bash = (): string => {
  const values = new Map(
    names.flatMap((name) =>
      optionsOf(name).flatMap(({ long, value }) => (value ? [[long, call(value.values)] as const] : [])),
    ),
  );
  return `# Completion of rcm-node for bash, printed by rcm-node completion bash.

_rcm_node_fill() {
  local kind=$1
  shift
  case $kind in
    words) mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word") ;;
    handlers) mapfile -t COMPREPLY < <(compgen -W "$(ls ${handlerFolder} 2>/dev/null)" -- "$word") ;;
    files) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    folders) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
  esac
  # A blank in the name of a file is quoted, and a folder gets its slash; outside of a completion there is nothing to set.
  if [[ $kind = files || $kind = folders ]]; then compopt -o filenames 2>/dev/null; fi
}

_rcm_node() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} skip= one i
  local -a said=()
  COMPREPLY=()
  # "=" is a word of its own: --root = DIR.
  if [[ $word = = ]]; then
    word=
  elif [[ $before = = ]]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    one=\${COMP_WORDS[i]}
    if [[ $one = = ]]; then continue; fi
    if [[ -n $skip ]]; then
      skip=
      continue
    fi
    case $one in
      ${withValue.join(' | ')}) skip=yes ;;
      -*) ;;
      *) said+=("$one") ;;
    esac
  done
  case $before in
${[...values].map(([long, what]) => `    ${long}) _rcm_node_fill ${what}; return ;;`).join('\n')}
  esac
  if [[ $word = -* ]]; then
    case \${said[0]-} in
      '') _rcm_node_fill words ${longs(topOptions)} ;;
${names.map((name) => `      ${name}) _rcm_node_fill words ${longs(optionsOf(name))} ;;`).join('\n')}
    esac
    return
  fi
  case "\${said[*]}" in
${places()
  .map(({ behind, values: what, isList }) => {
    const place = behind.join(' ');
    return `    ${isList ? `'${place}' | '${place} '*` : `'${place}'`}) _rcm_node_fill ${call(what)} ;;`;
  })
  .join('\n')}
  esac
}

complete -F _rcm_node rcm-node
`;
};
