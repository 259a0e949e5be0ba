//! What a task's code needs beside itself: libraries on a cluster, environments on serverless compute.

use crate::wire::records;

records! {
    /// A library to install on a cluster: one of its fields.
    Library() {
        /// A JAR by URI.
        opt jar: String,
        /// A wheel by URI or path.
        opt whl: String,
        /// A `requirements.txt` by path.
        opt requirements: String,
        /// A package of the Python Package Index.
        opt pypi: PypiLibrary,
        /// A package of a Maven repository.
        opt maven: MavenLibrary,
        /// A package of CRAN.
        opt cran: CranLibrary,
        /// An egg by URI; deprecated.
        opt egg: String,
    }

    /// A package of the Python Package Index.
    PypiLibrary(
        /// Name, and version if it matters: `simplejson==3.8.0`.
        package: String,
    ) {
        /// Another index than the default one.
        opt repo: String,
    }

    /// A package of a Maven repository.
    MavenLibrary(
        /// Its coordinates: `org.jsoup:jsoup:1.7.2`.
        coordinates: String,
    ) {
        /// Dependencies to leave out: `slf4j:slf4j`.
        list exclusions: String,
        /// Another repository than Maven Central.
        opt repo: String,
    }

    /// A package of CRAN.
    CranLibrary(
        /// Its name.
        package: String,
    ) {
        /// Another repository than the default one.
        opt repo: String,
    }

    /// An environment for serverless compute that tasks name by its key.
    JobEnvironment(
        /// Its name in the job.
        environment_key: String,
    ) {
        /// What is in it.
        opt spec: Environment,
    }

    /// What is in an environment.
    Environment() {
        /// Its version, such as `2`.
        opt environment_version: String,
        /// The version under its former name.
        opt client: String,
        /// Python packages, each a line of a requirements file.
        list dependencies: String,
        /// JARs by path.
        list java_dependencies: String,
        /// A base environment by path.
        opt base_environment: String,
    }
}

impl Library {
    /// A package of the Python Package Index, with its version if that matters: `simplejson==3.8.0`.
    pub fn of_pypi(package: impl Into<String>) -> Self {
        Self::new().pypi(PypiLibrary::new(package))
    }

    /// A package of Maven Central: `org.jsoup:jsoup:1.7.2`.
    pub fn of_maven(coordinates: impl Into<String>) -> Self {
        Self::new().maven(MavenLibrary::new(coordinates))
    }

    /// A package of CRAN.
    pub fn of_cran(package: impl Into<String>) -> Self {
        Self::new().cran(CranLibrary::new(package))
    }

    /// A JAR by URI.
    pub fn of_jar(uri: impl Into<String>) -> Self {
        Self::new().jar(uri)
    }

    /// A wheel by URI or path.
    pub fn of_wheel(uri: impl Into<String>) -> Self {
        Self::new().whl(uri)
    }
}

impl JobEnvironment {
    /// An environment of this version with these Python packages.
    pub fn with_dependencies(
        environment_key: impl Into<String>,
        environment_version: impl Into<String>,
        dependencies: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let spec = Environment::new().environment_version(environment_version).dependencies(dependencies);
        Self::new(environment_key).spec(spec)
    }
}
