//! Where code comes from that is not in the workspace, and where a job itself does.

use crate::wire::{records, words};

records! {
    /// A repository. Tasks take their files from it unless their `source` says otherwise.
    GitSource(
        /// Its URL.
        git_url: String,
        /// Whose it is.
        git_provider: GitProvider,
    ) {
        /// A branch; not together with tag or commit.
        opt git_branch: String,
        /// A tag.
        opt git_tag: String,
        /// A commit.
        opt git_commit: String,
        /// The commit that a run used.
        opt git_snapshot: GitSnapshot,
        /// Which of its files are fetched; all unless set.
        opt sparse_checkout: SparseCheckout,
        /// The file in it that the job itself is kept in.
        opt job_source: JobSource,
    }

    /// Which files of a repository are fetched.
    SparseCheckout() {
        /// Patterns of paths.
        list patterns: String,
    }

    /// The file of a repository that a job is kept in.
    JobSource(
        /// Its path in the repository.
        job_config_path: String,
        /// The branch it was read from.
        import_from_git_branch: String,
    ) {
        /// How the job stands to it, if the two differ.
        val dirty_state: DirtyState,
    }

    /// What deployed a job.
    JobDeployment(
        /// What it is.
        kind: JobDeploymentKind,
    ) {
        /// The path of its metadata in the workspace.
        opt metadata_file_path: String,
    }

    /// The commit that a run used.
    GitSnapshot() {
        /// The commit.
        opt used_commit: String,
    }
}

words! {
    /// How a job stands to the file it is kept in.
    DirtyState {
        /// It was changed and not yet written there.
        NotSynced = "NOT_SYNCED",
        /// It was cut off from there.
        Disconnected = "DISCONNECTED",
    }

    /// What deploys jobs.
    JobDeploymentKind {
        /// A bundle.
        Bundle = "BUNDLE",
        /// The service itself.
        SystemManaged = "SYSTEM_MANAGED",
    }

    /// Who hosts a repository.
    GitProvider {
        /// GitHub.
        GitHub = "gitHub",
        /// GitHub Enterprise.
        GitHubEnterprise = "gitHubEnterprise",
        /// GitLab.
        GitLab = "gitLab",
        /// GitLab, hosted by its users.
        GitLabEnterpriseEdition = "gitLabEnterpriseEdition",
        /// Bitbucket Cloud.
        BitbucketCloud = "bitbucketCloud",
        /// Bitbucket Server.
        BitbucketServer = "bitbucketServer",
        /// Azure DevOps.
        AzureDevOpsServices = "azureDevOpsServices",
        /// AWS CodeCommit.
        AwsCodeCommit = "awsCodeCommit",
    }
}

impl GitSource {
    /// A branch of a repository.
    pub fn branch(
        git_url: impl Into<String>,
        git_provider: GitProvider,
        git_branch: impl Into<String>,
    ) -> Self {
        Self::new(git_url, git_provider).git_branch(git_branch)
    }
}
