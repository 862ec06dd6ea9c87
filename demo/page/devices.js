// Who takes part: role, route, round trip, what each has, and what is ephemeral.

import { h, put } from './dom.js';
import { go, lane, ofDeck, state } from './state.js';
import { audioHere, looksAt, played } from './present.js';
import { short, some, when } from './words.js';

const RIGHTS = { read: 'may read', draft: 'may propose drafts', hold: 'may be editor' };

function has(device, all) {
  if (device.me) return `all ${some(all, 'entry', 'entries')} of its deck`;
  if (device.lacks === null) return 'not known: it has not said';
  const parts = [];
  if (device.lacks) parts.push(`lacks ${some(device.lacks, 'change')}`);
  if (device.has_more) parts.push(`has ${some(device.has_more, 'change')} that this device lacks`);
  return parts.join(', ') || 'everything, durably';
}

// The editor may be heard of through others.
function ofEditor(role) {
  const last = role.heard ? `last heard of ${when(role.heard)}` : 'not heard of';
  return role.silent ? `silent; ${last}` : role.heard ? `not linked; ${last}, through others` : 'not linked';
}

function one(device, shows, all, role) {
  const linked = device.me ? 'this device' : device.linked ? ['linked', device.route].filter(Boolean).join(', ') : device.editor ? ofEditor(role) : device.heard ? `not linked; last heard ${when(device.heard)}` : 'never linked';
  return h('article', { class: `device ${device.number === null ? '' : lane(device.number)} ${device.linked ? 'linked' : ''}`, 'data-device': device.device.id },
    h('header', {}, h('i', { class: 'dot' }), h('h3', {}, device.device.name),
      device.editor && h('span', { class: 'badge head' }, 'editor'), device.owner && h('span', { class: 'badge' }, 'owner'), device.me && h('span', { class: 'badge here' }, 'here')),
    h('dl', { class: 'facts' },
      h('div', {}, h('dt', {}, 'Role'), h('dd', {}, device.editor ? 'editor now' : RIGHTS[device.rights])),
      h('div', {}, h('dt', {}, 'Link'), h('dd', {}, h('i', { class: `lamp ${device.linked ? 'on' : ''}` }), linked)),
      !device.me && h('div', {}, h('dt', {}, 'Round trip'), h('dd', {}, device.round_trip_ms === null ? 'not measured yet' : `${device.round_trip_ms.toFixed(1)} ms`, device.loss_per_mille > 0 && `, ${device.loss_per_mille / 10} % lost on the way at first`)),
      h('div', {}, h('dt', {}, 'Has'), h('dd', {}, h('i', { class: `lamp ${device.me || (device.lacks === 0 && !device.has_more) ? 'on' : ''}` }), has(device, all))),
      shows && h('div', {}, h('dt', {}, 'There'), h('dd', { class: 'shows' }, h('i', { class: 'lamp on' }), looksAt(shows))),
      device.saved && !device.me && h('div', {}, h('dt', {}, 'Saved to'), h('dd', {}, h('a', { href: '#', onclick: (event) => { event.preventDefault(); go({ tab: 'entry', arg: device.saved }); } }, short(device.saved)))),
      device.admitted_by && h('div', {}, h('dt', {}, 'Let in by'), h('dd', {}, device.admitted_by.name)),
      h('div', {}, h('dt', {}, 'Id'), h('dd', {}, h('code', { class: 'hash' }, device.device.id)))));
}

export async function showDevices(host) {
  const told = await ofDeck('devices');
  put(host, h('div', { class: 'pad' },
    h('div', { class: 'view-head' }, h('h2', {}, 'Devices'), h('p', { class: 'dim' }, told.role.editor ? `${told.role.editor.name} may edit now${told.role.settled ? ', and the owner has settled that' : '; that is provisional until the owner settles it'}.` : 'Nobody may edit at present.')),
    h('div', { class: 'devices' }, told.devices.map((device) => one(device, told.present.find((other) => other.device.id === device.device.id), state.summary?.entries ?? 0, told.role))),
    played(told.playing, told.role.mine), audioHere(told.audio)));
}
