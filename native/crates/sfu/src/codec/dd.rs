//! The dependency descriptor (RTP Payload Format For AV1, appendix A): what a frame is needed for and what it needs.
//!
//! Most descriptors are three bytes that name a template; the templates come with the keyframe and are kept in
//! [`DdState`]. Chains and resolutions are read over: nothing here forwards by them.

use super::{MAX_LAYERS, bits::Bits};

const MAX_TEMPLATES: usize = 64;
const MAX_TARGETS: usize = 32;
const MANDATORY: usize = 3;

/// What a frame is to one decode target (table A.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dti {
    NotPresent,
    /// Part of the target, and no other frame of the target refers to it.
    Discardable,
    /// From here on the target can be decoded.
    Switch,
    Required,
}

/// Two bits for each of up to 32 decode targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Dtis(u64);

impl Dtis {
    fn read(bits: &mut Bits, targets: u8) -> Option<Self> {
        let mut all = 0;
        for target in 0..targets {
            all |= u64::from(bits.take(2)?) << (2 * target);
        }
        Some(Self(all))
    }

    fn get(self, target: u8) -> Dti {
        match self.0 >> (2 * u32::from(target).min(31)) & 3 {
            0 => Dti::NotPresent,
            1 => Dti::Discardable,
            2 => Dti::Switch,
            _ => Dti::Required,
        }
    }

    /// Whether no target has it as a switch or as required: both have the high bit set.
    fn discardable(self) -> bool {
        self.0 & 0xAAAA_AAAA_AAAA_AAAA == 0
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    /// How many frames it refers to.
    references: u8,
    dtis: Dtis,
}

/// The templates in force, by the last keyframe's descriptor. Nothing can be read of a frame before there was one.
#[derive(Clone, Debug, Default)]
pub struct DdState {
    templates: Vec<Template>,
    id_offset: u8,
    targets: u8,
    chains: u8,
    /// Highest spatial and temporal layer that each decode target has.
    layers: [(u8, u8); MAX_TARGETS],
    spatial_layers: u8,
    temporal_layers: u8,
    /// Bit i: the newest frame that frames to come of decode target i may refer to is of temporal layer 0.
    enterable: u32,
}

impl DdState {
    /// 0 before the first structure.
    pub fn spatial_layers(&self) -> u8 {
        self.spatial_layers
    }

    /// 0 before the first structure.
    pub fn temporal_layers(&self) -> u8 {
        self.temporal_layers
    }

    /// How many decode targets there are; 0 before the first structure.
    pub fn decode_targets(&self) -> u8 {
        self.targets
    }

    /// Highest spatial and temporal layer of a decode target.
    pub fn target_layers(&self, target: u8) -> Option<(u8, u8)> {
        self.layers.get(..usize::from(self.targets))?.get(usize::from(target)).copied()
    }

    fn read(bits: &mut Bits) -> Option<Self> {
        let mut state = Self { id_offset: bits.take(6)? as u8, ..Self::default() };
        state.targets = bits.take(5)? as u8 + 1;
        state.read_layers(bits)?;
        for template in &mut state.templates {
            template.dtis = Dtis::read(bits, state.targets)?;
        }
        for template in &mut state.templates {
            while bits.flag()? {
                bits.take(4)?;
                template.references = template.references.saturating_add(1);
            }
        }
        state.read_chains(bits)?;
        if bits.flag()? {
            for _ in 0..state.spatial_layers {
                bits.take(32)?; // width and height
            }
        }
        for target in 0..state.targets {
            let layers = &mut state.layers[usize::from(target)];
            for template in state.templates.iter().filter(|t| t.dtis.get(target) != Dti::NotPresent) {
                *layers = (layers.0.max(template.spatial), layers.1.max(template.temporal));
            }
        }
        Some(state)
    }

    fn read_layers(&mut self, bits: &mut Bits) -> Option<()> {
        let (mut spatial, mut temporal) = (0, 0);
        loop {
            if self.templates.len() == MAX_TEMPLATES || spatial >= MAX_LAYERS || temporal >= MAX_LAYERS {
                return None;
            }
            self.templates.push(Template { spatial, temporal, ..Template::default() });
            self.spatial_layers = self.spatial_layers.max(spatial + 1);
            self.temporal_layers = self.temporal_layers.max(temporal + 1);
            match bits.take(2)? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => return Some(()),
            }
        }
    }

    fn read_chains(&mut self, bits: &mut Bits) -> Option<()> {
        let chains = bits.non_symmetric(u32::from(self.targets) + 1)?;
        self.chains = chains as u8;
        if chains == 0 {
            return Some(());
        }
        for _ in 0..self.targets {
            bits.non_symmetric(chains)?;
        }
        for _ in 0..self.templates.len() {
            bits.take(4 * chains.min(8))?;
            for _ in 8..chains {
                bits.take(4)?;
            }
        }
        Some(())
    }
}

/// One packet's descriptor, its template filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dd {
    pub start_of_frame: bool,
    pub end_of_frame: bool,
    /// Wraps; the same for all packets of a frame.
    pub frame_number: u16,
    pub spatial: u8,
    pub temporal: u8,
    /// The packet carries a template structure: the first packet of a coded video sequence.
    pub structure_attached: bool,
    /// How many frames this one refers to; 0: it decodes alone.
    pub references: u8,
    /// Bit i: decode target i is being sent. Only when the packet says so.
    pub active_targets: Option<u32>,
    /// A viewer who had only temporal layer 0 may have this frame and, from here on, its layer. Told on the first packet
    /// of a frame only.
    pub switching_point: bool,
    dtis: Dtis,
    targets: u8,
}

impl Dd {
    /// What the frame is to a decode target; `NotPresent` to one that does not exist.
    pub fn dti(&self, target: u8) -> Dti {
        if target < self.targets { self.dtis.get(target) } else { Dti::NotPresent }
    }

    /// Whether a viewer may be moved to this decode target at this frame (section A.4.4).
    pub fn switches_to(&self, target: u8) -> bool {
        self.dti(target) == Dti::Switch
    }

    /// No decode target needs it for a later frame.
    pub fn discardable(&self) -> bool {
        self.dtis.discardable()
    }
}

/// Read a descriptor; when it carries a template structure, that takes the place of the one in `state`.
///
/// `None` when it is malformed, or names a template that is not there: the packet with its structure was lost or is
/// late. `state` is then as it was.
pub fn read(dd: &[u8], state: &mut DdState) -> Option<Dd> {
    let mut bits = Bits::new(dd);
    let start_of_frame = bits.flag()?;
    let end_of_frame = bits.flag()?;
    let template_id = bits.take(6)? as u8;
    let frame_number = bits.take(16)? as u16;
    let (mut custom_dtis, mut custom_references, mut custom_chains) = (false, false, false);
    let mut attached = None;
    let mut active_targets = None;
    if dd.len() > MANDATORY {
        let has_structure = bits.flag()?;
        let has_active_targets = bits.flag()?;
        custom_dtis = bits.flag()?;
        custom_references = bits.flag()?;
        custom_chains = bits.flag()?;
        if has_structure {
            let fresh = DdState::read(&mut bits)?;
            active_targets = Some((((1u64 << fresh.targets) - 1) & 0xFFFF_FFFF) as u32);
            attached = Some(fresh);
        }
        if has_active_targets {
            let targets = attached.as_ref().unwrap_or(state).targets;
            active_targets = Some(bits.take(u32::from(targets))?);
        }
    }
    let known = attached.as_ref().unwrap_or(state);
    let index = usize::from(template_id.wrapping_sub(known.id_offset) & 0x3F);
    let template = *known.templates.get(index)?;
    let dtis = if custom_dtis { Dtis::read(&mut bits, known.targets)? } else { template.dtis };
    let references = if custom_references { read_references(&mut bits)? } else { template.references };
    if custom_chains {
        for _ in 0..known.chains {
            bits.take(8)?;
        }
    }
    let own = (template.spatial, template.temporal);
    let own_target = (0..known.targets).find(|&target| known.layers[usize::from(target)] == own);
    let enterable = match &attached {
        Some(_) => 0,
        None => state.enterable,
    };
    let switching_point = start_of_frame
        && own_target.is_some_and(|target| match template.temporal {
            0 => dtis.get(target) == Dti::Switch,
            _ => enterable >> target & 1 == 1,
        });
    let enterable = enter(enterable, &template, dtis, known.targets, start_of_frame);
    let read = Dd {
        start_of_frame,
        end_of_frame,
        frame_number,
        spatial: template.spatial,
        temporal: template.temporal,
        structure_attached: attached.is_some(),
        references,
        active_targets,
        switching_point,
        dtis,
        targets: known.targets,
    };
    if let Some(fresh) = attached {
        *state = fresh;
    }
    state.enterable = enterable;
    Some(read)
}

/// Which decode targets the next frame of an upper temporal layer may open to a viewer of layer 0.
///
/// A switch indication on a frame of layer 0 promises that all later frames of that target decode from there on
/// (section A.4.4). It holds for who left out upper frames until one of these comes that others may refer to. So the
/// middle frame of L1T3 (`-DS`) opens layer 1, the first top frame (`--D`) behind layer 0 opens layer 2, and the
/// second top frame, which refers to the middle one, opens nothing.
fn enter(mut enterable: u32, template: &Template, dtis: Dtis, targets: u8, start_of_frame: bool) -> u32 {
    for target in 0..targets {
        match (template.temporal, dtis.get(target)) {
            (0, Dti::Switch) if start_of_frame => enterable |= 1 << target,
            (1.., Dti::Switch | Dti::Required) => enterable &= !(1 << target),
            _ => {}
        }
    }
    enterable
}

fn read_references(bits: &mut Bits) -> Option<u8> {
    let mut count = 0u8;
    loop {
        match bits.take(2)? {
            0 => return Some(count),
            size => {
                bits.take(4 * size)?;
                count = count.saturating_add(1);
            }
        }
    }
}
