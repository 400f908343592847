/** The completion for zsh: the file _rcm-node of a folder in $fpath, or a text for source. */
import type { CommandName } from '../command-table.ts';
import {
  handlerFolder,
  names,
  type Option,
  optionsOf,
  type Place,
  places,
  quoted,
  topOptions,
  type Values,
} from './words.ts';

/** Within a description of _arguments, and of a pair of _describe. */
const described = (text: string): string => text.replace(/[\\[\]:]/g, '\\$&');

const pair = ({ word, what }: { readonly word: string; readonly what: string }): string =>
  quoted(`${word}:${described(what)}`);

const action = (values: Values): string => {
  if (values.kind === 'words') return `(${values.words.map(({ word }) => word).join(' ')})`;
  return { none: ' ', files: '_files', folders: '_files -/', handlers: '_rcm_node_handlers' }[values.kind];
};

const spec = ({ long, what, value }: Option): string =>
  value
    ? quoted(`${long}=[${described(what)}]:${value.name}:${action(value.values)}`)
    : quoted(`${long}[${described(what)}]`);

const operandSpec = ({ name, values, isList }: Place): string =>
  quoted(`${isList ? '*' : '1'}:${name}:${action(values)}`);

const caseOf = (name: CommandName, all: readonly Place[]): string => {
  const options = optionsOf(name).map(spec);
  const own = all.filter(({ behind }) => behind[0] === name);
  const place = own.find(({ behind }) => behind.length === 1);
  if (place?.name !== 'FORM' || place.values.kind !== 'words')
    return `        ${name}) _arguments ${[...options, ...(place ? [operandSpec(place)] : [])].join(' ')} ;;`;
  const verbs = own.filter(({ behind }) => behind.length === 2);
  return `        ${name})
          _arguments -C ${options.join(' ')} '1: :->form' '*:: :->operand'
          case $state in
            form)
              forms=(${place.values.words.map(pair).join(' ')})
              _describe -t forms form forms
              ;;
            operand)
              case $words[1] in
${verbs.map((one) => `                ${one.behind[1]}) _arguments ${[...options, operandSpec(one)].join(' ')} ;;`).join('\n')}
                *) _arguments ${options.join(' ')} ;;
              esac
              ;;
          esac
          ;;`;
};

export const zsh = (): string => {
  const all = places();
  const [top] = all;
  const words = top?.values.kind === 'words' ? top.values.words : [];
  return `#compdef rcm-node
# Completion of rcm-node for zsh, printed by rcm-node completion zsh.

_rcm_node_handlers() {
  local -a handlers=(${handlerFolder}/*(N:t))
  _describe -t handlers handler handlers
}

_rcm-node() {
  local curcontext=$curcontext context state state_descr line
  local -a commands forms
  typeset -A opt_args
  _arguments -C ${topOptions.map(spec).join(' ')} '1: :->command' '*:: :->argument'
  case $state in
    command)
      commands=(
${words.map((one) => `        ${pair(one)}`).join('\n')}
      )
      _describe -t commands command commands
      ;;
    argument)
      case $words[1] in
${names.map((name) => caseOf(name, all)).join('\n')}
      esac
      ;;
  esac
}

# As a file of $fpath it is the function itself.
if [[ $funcstack[1] = _rcm-node ]]; then _rcm-node "$@"; else compdef _rcm-node rcm-node; fi
`;
};
