//! The Python module `streamserver_native`: a running node of crate `net` as one class.
//!
//! Thin: it checks and converts. What the words mean is said in `_native.pyi`; decisions are made in
//! `sfu` and in `streamserver/media/native_engine.py`.

mod core;
mod events;
mod figures;
mod spec;

use pyo3::prelude::*;

/// Of the calls below; counted up, here and in `streamserver/media/choose.py`, whenever one of them changes.
const ABI: u32 = 1;

#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::core::Core;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("ABI", crate::ABI)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
