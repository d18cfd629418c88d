//! Numbered places for peers: a key of a peer that is gone finds nobody, even when its place has been taken again.

/// Place and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    place: u32,
    generation: u32,
}

#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub fn insert(&mut self, value: T) -> Key {
        if let Some(place) = self.free.pop() {
            let (generation, slot) = &mut self.places[place as usize];
            *slot = Some(value);
            return Key { place, generation: *generation };
        }
        self.places.push((0, Some(value)));
        Key { place: (self.places.len() - 1) as u32, generation: 0 }
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        let (generation, slot) = self.places.get_mut(key.place as usize)?;
        if *generation != key.generation {
            return None;
        }
        let value = slot.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(key.place);
        Some(value)
    }

    pub fn get(&self, key: Key) -> Option<&T> {
        let (generation, slot) = self.places.get(key.place as usize)?;
        if *generation == key.generation { slot.as_ref() } else { None }
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (generation, slot) = self.places.get_mut(key.place as usize)?;
        if *generation == key.generation { slot.as_mut() } else { None }
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.places.iter_mut().enumerate().filter_map(|(place, (generation, slot))| {
            let key = Key { place: place as u32, generation: *generation };
            slot.as_mut().map(|value| (key, value))
        })
    }

    pub fn keys(&self) -> Vec<Key> {
        self.places
            .iter()
            .enumerate()
            .filter(|(_, (_, slot))| slot.is_some())
            .map(|(place, (generation, _))| Key { place: place as u32, generation: *generation })
            .collect()
    }

    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
